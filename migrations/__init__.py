"""Schema revisions, shipped inside the wheel: ``metadata`` (relational) and ``clickhouse``."""
