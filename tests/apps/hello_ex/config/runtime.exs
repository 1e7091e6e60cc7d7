import Config

config :hello_ex, port: String.to_integer(System.get_env("PORT", "4000"))
