"""How a result is shown or stored: tables, text formats, files, and messages.

Nothing here knows how a result was computed. The modules are imported one by one, so that a
command pays only for what it prints.
"""
