"""The recorded graph: its nodes."""

from xptorch._graph import Node as Node
