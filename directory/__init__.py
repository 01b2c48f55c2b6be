"""Who offers what, where, for whom and when: care services, the graph between them, and seats.

The room knows no patient, no case and no ranking: it says what is possible, routing chooses.
"""
