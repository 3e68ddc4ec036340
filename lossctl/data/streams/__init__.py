"""Where bytes come from: files, pipes, compression, mapped memory."""
