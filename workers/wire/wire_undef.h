/* Forgets the macros of wire.def, after each inclusion of it. */
#undef MESSAGE
#undef END
#undef LATER
#undef U8
#undef U32
#undef I32
#undef U64
#undef I64
#undef F64
#undef RAW
#undef TEXT
#undef OTEXT
#undef BYTES
#undef F64S
#undef LEASES
#undef MANIFEST
#undef ERROR
