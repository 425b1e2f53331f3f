"""The command line: one file a command; argument parsing, messages to people and exit codes only.

Modules here import only the standard library and typer at the top, so that `--help` and completion are immediate;
a command imports the rooms that it needs when it runs.
"""
