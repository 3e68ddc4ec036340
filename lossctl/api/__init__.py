"""One call per verb: which plan does this call mean?"""
