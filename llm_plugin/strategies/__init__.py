"""LEAN strategies from prompts: models that write them, the judge, the benchmark, the project folder."""
