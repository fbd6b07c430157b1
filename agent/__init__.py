"""The appliance: configuration, custody, engine, pipeline, daemon and command line."""
