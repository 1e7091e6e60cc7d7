defmodule HelloEx.MixProject do
  use Mix.Project

  # The tests build two versions of the same code.
  def project do
    [
      app: :hello_ex,
      version: System.get_env("HELLO_EX_VERSION", "1.0.0"),
      elixir: "~> 1.14",
      releases: [
        hello_ex: [include_executables_for: [:unix], steps: [:assemble, :tar]]
      ]
    ]
  end

  def application do
    [mod: {HelloEx.Application, []}, extra_applications: [:logger]]
  end
end
