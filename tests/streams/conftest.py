from conftest_streams import broker, crossings  # noqa: F401
