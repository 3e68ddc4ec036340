"""Rules for the numbers and shapes of inputs."""
