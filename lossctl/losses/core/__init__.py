"""What a loss is: its declaration, inputs, options, gradients and steps."""
