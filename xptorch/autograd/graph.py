"""The recorded graph: its nodes."""

from xptorch._engine.graph import Node as Node
