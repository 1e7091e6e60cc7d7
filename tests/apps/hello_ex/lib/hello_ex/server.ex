defmodule HelloEx.Server do
  @moduledoc """
  Answers every HTTP request on 127.0.0.1 with the version and the release it runs from,
  and tells systemd when it is ready to.
  """
  use GenServer

  def start_link(_args), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    port = Application.fetch_env!(:hello_ex, :port)
    options = [:binary, packet: :http_bin, active: false, reuseaddr: true, ip: {127, 0, 0, 1}]
    {:ok, socket} = :gen_tcp.listen(port, options)
    spawn_link(fn -> accept(socket) end)
    notify("READY=1")
    {:ok, socket}
  end

  defp accept(socket) do
    {:ok, client} = :gen_tcp.accept(socket)
    answer(client)
    :gen_tcp.close(client)
    accept(socket)
  end

  defp answer(client) do
    case :gen_tcp.recv(client, 0, 5_000) do
      {:ok, :http_eoh} -> :gen_tcp.send(client, response())
      {:ok, _line} -> answer(client)
      {:error, _reason} -> :ok
    end
  end

  defp response do
    body = "hello_ex version=#{version()} release=#{release()} pid=#{System.pid()}\n"

    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: #{byte_size(body)}\r\n" <>
      "connection: close\r\n\r\n" <> body
  end

  defp version, do: Application.spec(:hello_ex, :vsn)

  # The code was loaded from RELEASE_ROOT/lib/...; the kernel knows where that really is.
  defp release do
    {:ok, beam} = File.read_link("/proc/self/exe")
    beam |> Path.split() |> Enum.find("none", &(&1 =~ ~r/^\d{8}T\d{6}Z-\d+$/))
  end

  defp notify(state) do
    with path when is_binary(path) <- System.get_env("NOTIFY_SOCKET") do
      {:ok, socket} = :gen_udp.open(0, [:local])
      :ok = :gen_udp.send(socket, {:local, path}, 0, state)
      :gen_udp.close(socket)
    end
  end
end
