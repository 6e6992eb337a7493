"""Which model answers a request for `auto`: hard rules first, then what adapters are for."""
