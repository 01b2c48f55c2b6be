"""What every room stands on: settings, errors, actors, database, keys, audit; no domain word."""
