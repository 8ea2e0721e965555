"""An archive's shared memory of identities: what tracks of many videos look like, and which of them are one object."""
