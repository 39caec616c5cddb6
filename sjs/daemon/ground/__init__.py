"""What every process of the machine side stands on: where things lie, what the kernel can do, what is written down."""
