"""The recorded graph: its nodes."""

from xptorch._engine import Node as Node
