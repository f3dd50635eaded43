"""How is the native kernel built? It is optional: without a compiler the package installs, and computes with NumPy."""

import sysconfig

from setuptools import Extension, setup

# A free-threaded interpreter has no stable ABI; elsewhere one build serves every Python from 3.11 on.
STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")
FOLDER = "cfdb/kernel"

setup(
    ext_modules=[
        Extension(
            "cfdb.kernel._native",
            sources=[f"{FOLDER}/native.c"],
            depends=[
                f"{FOLDER}/{name}.h"
                for name in ("kernel", "loops", "rows", "zstd", "encode", "decode", "replace", "texts")
            ],
            extra_compile_args=[
                *("-std=c11", "-O3", "-g0", "-fno-strict-aliasing"),
                # Results are those of IEEE arithmetic as written; that lets loops be vectorised nonetheless.
                *("-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"),
            ],
            py_limited_api=STABLE,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE else {},
)
