"""Config, wiring and processes: the only place that knows which adapter is used."""
