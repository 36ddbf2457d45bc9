"""`senderwatch topics`: make the topics as the design needs them, and say how existing ones differ."""

import typer

app = typer.Typer(help="The topics on Kafka: create, compare.", no_args_is_help=True)
