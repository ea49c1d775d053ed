"""Where chachaml meets the outside: so far, the command line."""
