"""Which adapter answers which port: one module for each process, so that none loads what another needs."""
