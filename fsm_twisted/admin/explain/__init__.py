"""
Why a request goes where it goes: one pure function that asks the code of the data plane.

`question` reads what is asked, `decision` decides it as the data plane does, `candidates` says of
every other path why it was not chosen, `answer` puts it together.
"""
