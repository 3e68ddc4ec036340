"""What tests of several rooms use: files, arrays, processes, terminals."""
