"""Running PyTorch programs unchanged: `import torch` as an alias, and global settings."""
