"""Networks, margin heads, class weights and regularisers: tensors in, tensors out.

Nothing in this package knows of data sets, files, configs or the command line. Wrong parameters
raise ``ValueError`` with one line that says what was wrong and what would be right.
"""
