"""Networks, margin heads, class weights and regularizers: tensors in, tensors out.

Nothing in this package depends on data sets, files, configs or the command line. Invalid parameters
raise ``ValueError`` with one line that says what is wrong and what is allowed.
"""
