"""Which packages the `processor` extra brings: where one of them is missing, a command says so instead of failing."""

HEAVY = {"apscheduler", "holidays", "influxdb_client", "jinja2", "numpy", "starlette", "uvicorn"}
