"""What ``chachaml demo`` trains: real models on real data, written as you would write them."""

from __future__ import annotations

from chachaml.demos.show import show_demo

__all__ = ["show_demo"]
