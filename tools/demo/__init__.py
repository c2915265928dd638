"""`python -m tools.demo`: train a small language model through `loader.get("rglru")` and show that it learns."""
