"""groundwatch: monitors multimodal AI answers for claims that their evidence does not support."""

__version__ = "0.1.0"
