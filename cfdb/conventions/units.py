"""Which strings are units, and which units measure the same thing?

A small part of what UDUNITS knows: SI units with prefixes, the usual others of atmosphere and ocean, products, powers,
quotients and factors. Times since a moment are in `calendars`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

#: Exponents of metre, kilogram, second, ampere, kelvin, mole, candela.
Dimensions = tuple[int, int, int, int, int, int, int]

_NONE: Dimensions = (0, 0, 0, 0, 0, 0, 0)
#: Names and symbols by dimensions; symbols stand behind the bar and take prefixes of one letter.
_TABLE: dict[Dimensions, str] = {
    (1, 0, 0, 0, 0, 0, 0): "meter metre angstrom fathom foot feet ft mile nautical_mile nmile inch | m",
    (0, 1, 0, 0, 0, 0, 0): "gram gramme tonne metric_ton pound lb | g t",
    (0, 0, 1, 0, 0, 0, 0): "second sec minute min hour hr h day d week month year yr common_year fortnight | s",
    (0, 0, 0, 1, 0, 0, 0): "ampere amp | A",
    (0, 0, 0, 0, 1, 0, 0): "kelvin celsius degc deg_c degreec degree_c degree_celsius "
    "degrees_celsius fahrenheit degf degree_f "
    "degree_kelvin degk deg_k degree_k °C °F | K",
    (0, 0, 0, 0, 0, 1, 0): "mole | mol",
    (0, 0, 0, 0, 0, 0, 1): "candela lumen | cd lm",
    (0, 0, -1, 0, 0, 0, 0): "hertz becquerel rpm | Hz Bq",
    (1, 1, -2, 0, 0, 0, 0): "newton | N",
    (-1, 1, -2, 0, 0, 0, 0): "pascal bar millibar mb atmosphere atm torr mmHg psi | Pa bar",
    (2, 1, -2, 0, 0, 0, 0): "joule calorie cal watt_hour | J Wh eV",
    (2, 1, -3, 0, 0, 0, 0): "watt | W",
    (2, 1, -3, -1, 0, 0, 0): "volt | V",
    (2, 1, -3, -2, 0, 0, 0): "ohm | Ω",
    (-2, -1, 3, 2, 0, 0, 0): "siemens | S",
    (0, 0, 1, 1, 0, 0, 0): "coulomb | C",
    (-2, -1, 4, 2, 0, 0, 0): "farad | F",
    (0, 1, -2, -1, 0, 0, 0): "tesla gauss | T",
    (2, 1, -2, -1, 0, 0, 0): "weber | Wb",
    (2, 0, -2, 0, 0, 0, 0): "gray sievert | Gy Sv",
    (3, 0, 0, 0, 0, 0, 0): "liter litre gallon | L l",
    (3, 0, -1, 0, 0, 0, 0): "sverdrup",
    (2, 0, 0, 0, 0, 0, 0): "hectare are acre | ha",
    (1, 0, -1, 0, 0, 0, 0): "knot kt kn kts",
    (-2, 0, 0, 0, 0, 1, 0): "dobson_unit DU dobson",
    _NONE: "1 percent % permille ppm ppmv ppb ppbv ppt ppv psu pss-78 dB dBZ dBz decibel count counts radian rad "
    "degree degrees deg ° arc_degree arc_minute arcminute arc_second arcsecond steradian sr octa okta bit byte pixel "
    "degree_true degrees_true degree_t degreet sigma_level level layer individual individuals pH | ",
}
#: Spellings of the units of a latitude, and of a longitude.
LATITUDES = ("degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN")
LONGITUDES = ("degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE")
_BIG = "yotta zetta exa peta tera giga mega kilo hecto deka deca"
_SMALL = "deci centi milli micro nano pico femto atto zepto yocto"
_PREFIXES = [*"YZEPTGMkhdcmuµμnpfazy", "da"]
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\d.])|(?P<name>[^\W\d]+(?:_[^\W\d]+)*|[%°](?:[CF])?)"
    r"|(?P<power>\^|\*\*)|(?P<times>[*.·])|(?P<over>/)|(?P<open>\()|(?P<close>\)))"
)


@dataclass(frozen=True, slots=True)
class _Unit:
    dimensions: Dimensions

    def times(self, other: "_Unit", power: int = 1) -> "_Unit":
        pairs = zip(self.dimensions, other.dimensions, strict=True)
        return _Unit(tuple(mine + power * theirs for mine, theirs in pairs))  # type: ignore[arg-type]


@lru_cache(maxsize=512)
def dimensions_of(units: str) -> Dimensions | None:
    """Tell what units measure.

    Parameters
    ----------
    units : str
        As in ``'kg m-2 s-1'``.

    Returns
    -------
    tuple of int or None
        Exponents of m, kg, s, A, K, mol, cd; angles and shares have none. None when it is no unit known here.

    Examples
    --------
    >>> dimensions_of("m/s") == dimensions_of("km h-1"), dimensions_of("W m-2")
    (True, (0, 1, -3, 0, 0, 0, 0))
    >>> dimensions_of("furlongs") is None, dimensions_of("")
    (True, (0, 0, 0, 0, 0, 0, 0))
    """
    text = units.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.match(r"(lg|ln|lb)\(re:?\s", text):
        return _NONE
    tokens = _tokens(re.sub(r"\bper\b", "/", text))
    if tokens is None:
        return None
    try:
        found, rest = _product(tokens, 0)
    except (ValueError, IndexError):
        return None
    return found.dimensions if rest == len(tokens) else None


def are_written_alike(one: str, other: str) -> bool:
    """Tell whether two texts are the same units, apart from blanks and the spellings of degrees of a place.

    Examples
    --------
    >>> are_written_alike("m  s-1 ", "m s-1"), are_written_alike("degrees_north", "degree_N")
    (True, True)
    >>> are_written_alike("degC", "K")
    False
    """
    texts = {" ".join(one.split()), " ".join(other.split())}
    return len(texts) == 1 or texts <= {*LATITUDES} or texts <= {*LONGITUDES}


def _words() -> dict[str, Dimensions]:
    """Give the units that are written as they are: those of places, and odd spellings."""
    names = {name.lower(): _NONE for name in (*LATITUDES, *LONGITUDES)}
    return {**names, "pss-78": _NONE, "": _NONE, "°c": (0, 0, 0, 0, 1, 0, 0), "°f": (0, 0, 0, 0, 1, 0, 0)}


def _symbols() -> tuple[dict[str, Dimensions], dict[str, Dimensions]]:
    """Give the dimensions of names, which are of any case and number, and of symbols."""
    names: dict[str, Dimensions] = {}
    symbols: dict[str, Dimensions] = {}
    for dimensions, line in _TABLE.items():
        words, _, letters = line.partition("|")
        for word in words.split():
            names[word.lower()] = dimensions
        for letter in letters.split():
            symbols[letter] = dimensions
    return names, symbols


_WORDS = _words()
_NAMES, _SYMBOLS = _symbols()


def _find(name: str) -> _Unit:
    """Find a single unit, with its prefix; a symbol counts as it is written, a name in any case and number."""
    if name in _SYMBOLS:
        return _Unit(_SYMBOLS[name])
    lowered = name.lower()
    for word in (lowered, lowered.removesuffix("s"), lowered.removesuffix("es")):
        if word in _NAMES:
            return _Unit(_NAMES[word])
        for prefix in f"{_BIG} {_SMALL}".split():
            if word.startswith(prefix) and word.removeprefix(prefix) in _NAMES:
                return _Unit(_NAMES[word.removeprefix(prefix)])
    for prefix in _PREFIXES:
        if name.startswith(prefix) and name.removeprefix(prefix) in _SYMBOLS:
            return _Unit(_SYMBOLS[name.removeprefix(prefix)])
    raise ValueError(name)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None if text[place:].strip() else found
        # a point between units multiplies; a number right behind a name is its power
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        place = match.end()
    return found


def _product(tokens: list[tuple[str, str]], place: int) -> tuple[_Unit, int]:
    found, sign = _Unit(_NONE), 1
    expected = True
    while place < len(tokens):
        kind, _ = tokens[place]
        if kind == "close":
            break
        if kind in ("times", "over"):
            if expected and kind == "times":
                raise ValueError("nothing to multiply")
            sign, expected, place = (-1 if kind == "over" else 1), True, place + 1
            continue
        factor, place = _power(tokens, place)
        found, sign, expected = found.times(factor, sign), 1, False
    if expected:
        raise ValueError("nothing follows")
    return found, place


def _power(tokens: list[tuple[str, str]], place: int) -> tuple[_Unit, int]:
    kind, text = tokens[place]
    if kind == "number":
        base, place = _Unit(_NONE), place + 1
    elif kind == "open":
        base, place = _product(tokens, place + 1)
        if tokens[place][0] != "close":
            raise ValueError("not closed")
        place += 1
    elif kind == "name":
        base, place = _find(text), place + 1
    else:
        raise ValueError(text)
    if place < len(tokens) and tokens[place][0] == "power":
        place += 1
        if tokens[place][0] != "number":
            raise ValueError("no power")
    elif place >= len(tokens) or tokens[place][0] != "number" or kind == "number":
        return base, place
    return _Unit(_NONE).times(base, int(tokens[place][1])), place + 1
