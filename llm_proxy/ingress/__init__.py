"""Client → gateway: one codec for each dialect that clients speak, and the endpoint. The codecs do no I/O."""
