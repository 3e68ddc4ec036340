"""Sources of bytes: files, pipes, compression, mapped memory."""
