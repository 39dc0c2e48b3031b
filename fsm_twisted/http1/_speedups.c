/*
 * The usual heads, recognised without regular expressions: fsm_twisted/http1/usual.py in C.
 *
 * usual.py is the reference. What is recognised here gets the very result that it gives (law:
 * tests/http1/test_speedups.py); what is not, is handed to it. So this file may know less than the
 * reference, never more, and a wider reference needs no change here.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef const unsigned char *bytes;

enum { NAME = 1, TARGET = 2, AUTHORITY = 4, DIGIT = 8 };

static unsigned char kind[256];

/* Lower case; the special names of usual.py, and those that are looked for. */
static const char *const asked_names[] = {
    "host", "http2-settings", "connection", "content-length", "transfer-encoding", "te", "trailer",
    "upgrade", "expect", "keep-alive", "proxy", "proxy-connection", "forwarded", "x-real-ip",
    "x-request-id", NULL,
};
static const char *const answered_names[] = {
    "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
    "proxy-connection", "http2-settings", NULL,
};
static const char forwarded_prefix[] = "x-forwarded";
enum { FORWARDED = sizeof forwarded_prefix - 1 };

/* By first letter: one bit for each size, from 0 to 63 or more, that a special name has. */
static uint64_t asked_sizes[256], answered_sizes[256];

static uint64_t bit_of(size_t size)
{
    return (uint64_t)1 << (size < 63 ? size : 63);
}

/* The first and the last come without a body. */
static const char *const method_names[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"};
enum { METHODS = sizeof method_names / sizeof *method_names };
enum { MOST_CHUNKS = 16 }; /* as many as the reference looks for */
static PyObject *methods[METHODS];
static PyObject *harmless_name, *reference_request, *reference_answer;

static void note_sizes(uint64_t *sizes, const char *const *names)
{
    for (; *names; names++) {
        sizes[(unsigned char)**names] |= bit_of(strlen(*names));
        sizes[(unsigned char)**names - 32] |= bit_of(strlen(*names));
    }
}

static void fill_table(void)
{
    for (int c = 0; c < 256; c++) {
        int is_digit = c >= '0' && c <= '9';
        int is_alnum = is_digit || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        kind[c] = (is_alnum || c == '-' ? NAME : 0) | (is_digit ? DIGIT : 0)
                | (is_alnum || c == '-' || c == '.' || c == ':' ? AUTHORITY : 0)
                | (c == '!' || c == '"' || (c >= '$' && c <= '~') ? TARGET : 0);
    }
    note_sizes(asked_sizes, asked_names);
    note_sizes(answered_sizes, answered_names);
    for (size_t size = FORWARDED; size <= 63; size++)
        asked_sizes['x'] |= bit_of(size), asked_sizes['X'] |= bit_of(size);
}

/* Whether NAME, as long as LOWER, is LOWER but for case; names hold letters, digits and "-". */
static int is_like(bytes name, const char *lower, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = name[i];
        if (c >= 'A' && c <= 'Z')
            c |= 32;
        if (c != (unsigned char)lower[i])
            return 0;
    }
    return 1;
}

static int is_named(bytes name, size_t size, const char *lower)
{
    return strlen(lower) == size && is_like(name, lower, size);
}

static int is_among(bytes name, size_t size, const char *const *names)
{
    for (; *names; names++)
        if (is_named(name, size, *names))
            return 1;
    return 0;
}

static int begins(bytes at, bytes end, const char *text, size_t size)
{
    return (size_t)(end - at) >= size && memcmp(at, text, size) == 0;
}

/* Where the value ends that begins AT: at the first byte that is no HTAB, visible or obs-text. */
static bytes value_end(bytes at, bytes end)
{
#ifdef __SSE2__
    const __m128i last_control = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
    while (end - at >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)at);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, last_control), x);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control),
            _mm_cmpeq_epi8(x, del));
        int mask = _mm_movemask_epi8(bad);
        if (mask)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && (*at == '\t' || (*at >= 0x20 && *at != 0x7f)))
        at++;
    return at;
}

/* A field line without its CRLF: "name:value". */
struct line {
    bytes name, value, end;
    size_t size; /* of the name */
};

/* Read the line that begins AT; 0 when it is none that the reference could take. */
static int read_line(bytes at, bytes end, struct line *line)
{
    bytes p = at;
    while (p < end && kind[*p] & NAME)
        p++;
    if (p == at || p == end || *p != ':')
        return 0;
    line->name = at;
    line->size = p - at;
    line->value = p + 1;
    line->end = value_end(p + 1, end);
    return end - line->end >= 2 && line->end[0] == '\r' && line->end[1] == '\n';
}

/* Whether the line is exactly "[Cc]onnection: ?[Kk]eep-[Aa]live". */
static int is_kept_alive(const struct line *line)
{
    bytes value = line->value;
    if (value < line->end && *value == ' ')
        value++;
    return line->size == 10 && (line->name[0] | 32) == 'c' && memcmp(line->name + 1, "onnection", 9) == 0
        && line->end - value == 10 && (value[0] | 32) == 'k' && memcmp(value + 1, "eep-", 4) == 0
        && (value[5] | 32) == 'a' && memcmp(value + 6, "live", 4) == 0;
}

/* The number of exactly "[Cc]ontent-[Ll]ength: ?" and up to 15 digits; -1 for anything else. */
static int64_t length_of(const struct line *line)
{
    bytes name = line->name, at = line->value;
    if (line->size != 14 || (name[0] | 32) != 'c' || memcmp(name + 1, "ontent-", 7) != 0 || (name[8] | 32) != 'l'
        || memcmp(name + 9, "ength", 5) != 0)
        return -1;
    if (at < line->end && *at == ' ')
        at++;
    if (line->end - at < 1 || line->end - at > 15)
        return -1;
    int64_t length = 0; /* 15 digits fit, whatever a size may be here */
    for (; at < line->end; at++) {
        if (!(kind[*at] & DIGIT))
            return -1;
        length = length * 10 + (*at - '0');
    }
    return length;
}

/* Whether the line is exactly "[Tt]ransfer-[Ee]ncoding: ?chunked". */
static int is_chunked(const struct line *line)
{
    bytes name = line->name, value = line->value;
    if (value < line->end && *value == ' ')
        value++;
    return line->size == 17 && (name[0] | 32) == 't' && memcmp(name + 1, "ransfer-", 8) == 0 && (name[9] | 32) == 'e'
        && memcmp(name + 10, "ncoding", 7) == 0 && line->end - value == 7 && memcmp(value, "chunked", 7) == 0;
}

/* Whether the name is exactly "[Kk]eep-[Aa]live". */
static int is_keep_alive(const struct line *line)
{
    bytes name = line->name;
    return line->size == 10 && (name[0] | 32) == 'k' && memcmp(name + 1, "eep-", 4) == 0 && (name[5] | 32) == 'a'
        && memcmp(name + 6, "live", 4) == 0;
}

static int hex_digit(unsigned char c)
{
    if (kind[c] & DIGIT)
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a few chunks, from AT to END, are one body, with nothing else. */
static int is_one_body(bytes at, bytes end)
{
    for (int chunk = 0; chunk < MOST_CHUNKS; chunk++) {
        int64_t size = 0;
        int digits = 0;
        for (; at < end && hex_digit(*at) >= 0; digits++, at++) {
            if (digits == 8)
                return 0;
            size = size * 16 + hex_digit(*at);
        }
        if (!digits || end - at < 4 || at[0] != '\r' || at[1] != '\n' || end - at - 4 < size)
            return 0;
        at += 2 + size;
        if (at[0] != '\r' || at[1] != '\n')
            return 0;
        at += 2;
        if (!size)
            return at == end;
    }
    return 0;
}

/* The limit below which no limit is broken; -1 with an exception. */
static Py_ssize_t harmless(PyObject *limits)
{
    PyObject *value = PyObject_GetAttr(limits, harmless_name);
    if (!value)
        return -1;
    Py_ssize_t size = PyLong_AsSsize_t(value);
    Py_DECREF(value);
    return size;
}

struct request {
    int method;
    bytes target, path_end, target_end, authority, authority_end, kept, kept_end, end; /* of the head */
};

static int scan_request(bytes data, bytes end, struct request *found)
{
    bytes p = data;
    int64_t length = -1;
    memset(found, 0, sizeof *found);
    for (;; found->method++) {
        if (found->method == METHODS)
            return 0;
        size_t size = strlen(method_names[found->method]);
        if (begins(data, end, method_names[found->method], size) && data + size < end && data[size] == ' ') {
            p = data + size + 1;
            break;
        }
    }
    found->target = p;
    if (p == end || *p != '/')
        return 0;
    for (; p < end && kind[*p] & TARGET && *p != '?'; p++)
        if (*p == '%' || (*p == '.' && p[-1] == '/'))
            return 0; /* there could be a dot segment */
    found->path_end = p;
    while (p < end && kind[*p] & TARGET)
        p++;
    found->target_end = p;
    if (!begins(p, end, " HTTP/1.1\r\n", 11))
        return 0;
    p += 11;
    while (p < end && *p != '\r') {
        struct line line;
        if (!read_line(p, end, &line))
            return 0;
        if (asked_sizes[*p] & bit_of(line.size)) {
            if (line.size == 4 && is_like(p, "host", 4)) {
                if (found->authority || memcmp(p + 1, "ost", 3) != 0)
                    return 0;
                bytes at = line.value;
                if (at < line.end && *at == ' ')
                    at++;
                found->authority = at;
                found->authority_end = line.end;
                if (at == line.end)
                    return 0;
                for (; at < line.end; at++)
                    if (!(kind[*at] & AUTHORITY))
                        return 0;
            }
            else if (found->authority && !found->kept && is_kept_alive(&line)) {
                found->kept = p - 2;
                found->kept_end = line.end;
            }
            else if (found->authority && length < 0 && found->method > 0 && found->method < METHODS - 1
                && length_of(&line) >= 0)
                length = length_of(&line);
            else if (is_among(p, line.size, asked_names)
                || (line.size >= FORWARDED && is_like(p, forwarded_prefix, FORWARDED)))
                return 0;
        }
        p = line.end + 2;
    }
    if (!found->authority || end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return 0;
    found->end = p + 2;
    return end - found->end == (length < 0 ? 0 : length);
}

static PyObject *slice(bytes from, bytes to)
{
    return PyBytes_FromStringAndSize((const char *)from, to - from);
}

static PyObject *usual_request(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    struct request found;
    (void)module;
    if (count != 2 || !PyBytes_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "usual_request(data: bytes, limits)");
        return NULL;
    }
    bytes data = (bytes)PyBytes_AS_STRING(args[0]), end = data + PyBytes_GET_SIZE(args[0]);
    Py_ssize_t most = harmless(args[1]);
    if (most < 0 && PyErr_Occurred())
        return NULL;
    if (!scan_request(data, end, &found) || found.end - data > most)
        return PyObject_Vectorcall(reference_request, args, count, NULL);
    PyObject *result = PyTuple_New(7);
    if (!result)
        return NULL;
    Py_ssize_t size = found.end - data;
    Py_ssize_t begin = found.kept ? found.kept + 2 - data : size - 2;
    Py_ssize_t after = found.kept ? found.kept_end + 2 - data : size - 2;
    PyObject *target = slice(found.target, found.target_end);
    PyObject *path = target;
    if (found.path_end == found.target_end)
        Py_XINCREF(path);
    else
        path = slice(found.target, found.path_end);
    Py_INCREF(methods[found.method]);
    PyTuple_SET_ITEM(result, 0, methods[found.method]);
    PyTuple_SET_ITEM(result, 1, target);
    PyTuple_SET_ITEM(result, 2, path);
    PyTuple_SET_ITEM(result, 3, slice(found.authority, found.authority_end));
    PyTuple_SET_ITEM(result, 4, PyLong_FromSsize_t(begin));
    PyTuple_SET_ITEM(result, 5, PyLong_FromSsize_t(after));
    PyTuple_SET_ITEM(result, 6, PyLong_FromSsize_t(size));
    for (int i = 0; i < 7; i++)
        if (!PyTuple_GET_ITEM(result, i)) {
            Py_DECREF(result);
            return NULL;
        }
    return result;
}

static unsigned char *put(unsigned char *to, const void *from, Py_ssize_t size)
{
    memcpy(to, from, size);
    return to + size;
}

/* A place in *data*, from 0 to END; -1 with an exception. */
static Py_ssize_t place(PyObject *number, Py_ssize_t end)
{
    Py_ssize_t at = PyLong_AsSsize_t(number);
    if (at >= 0 && at <= end)
        return at;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "a place outside the request");
    return -1;
}

static PyObject *forwarded(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    static const char host[] = "X-Forwarded-Host: ", id[] = "\r\nX-Request-ID: ", ends[] = "\r\n";
    enum { HOST = sizeof host - 1, ID = sizeof id - 1, ENDS = sizeof ends - 1 };
    (void)module;
    if (count != 4 || !PyBytes_CheckExact(args[0]) || !PyTuple_CheckExact(args[1]) || PyTuple_GET_SIZE(args[1]) != 7
        || !PyBytes_CheckExact(PyTuple_GET_ITEM(args[1], 3)) || !PyBytes_CheckExact(args[2])
        || !PyBytes_CheckExact(args[3])) {
        PyErr_SetString(PyExc_TypeError, "forwarded(data: bytes, found: tuple, fields: bytes, identity: bytes)");
        return NULL;
    }
    PyObject *authority = PyTuple_GET_ITEM(args[1], 3);
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]), begin, cut;
    if ((cut = place(PyTuple_GET_ITEM(args[1], 5), size)) < 0 || (begin = place(PyTuple_GET_ITEM(args[1], 4), cut)) < 0)
        return NULL;
    PyObject *result = PyBytes_FromStringAndSize(NULL, begin + PyBytes_GET_SIZE(args[2]) + HOST
        + PyBytes_GET_SIZE(authority) + ID + PyBytes_GET_SIZE(args[3]) + ENDS + size - cut);
    if (!result)
        return NULL;
    const char *data = PyBytes_AS_STRING(args[0]);
    unsigned char *to = (unsigned char *)PyBytes_AS_STRING(result);
    to = put(to, data, begin);
    to = put(to, PyBytes_AS_STRING(args[2]), PyBytes_GET_SIZE(args[2]));
    to = put(to, host, HOST);
    to = put(to, PyBytes_AS_STRING(authority), PyBytes_GET_SIZE(authority));
    to = put(to, id, ID);
    to = put(to, PyBytes_AS_STRING(args[3]), PyBytes_GET_SIZE(args[3]));
    to = put(to, ends, ENDS);
    put(to, data + cut, size - cut);
    return result;
}

struct answer {
    bytes end, kept, kept_end; /* of the head; its Connection line with the CRLF before it */
    int has_server, has_date;
};

static int scan_answer(bytes data, bytes end, int is_head, struct answer *found)
{
    bytes p, goes_on_at = NULL; /* where Connection may have its one Keep-Alive */
    int64_t length = -1;
    int has_chunks = 0;
    memset(found, 0, sizeof *found);
    /* A status of three digits, from 200 to 599; 204 and 304 have no body. */
    if (end - data < 14 || memcmp(data, "HTTP/1.1 ", 9) != 0 || data[9] < '2' || data[9] > '5'
        || !(kind[data[10]] & DIGIT) || !(kind[data[11]] & DIGIT))
        return 0;
    int is_bare = data[9] <= '3' && data[10] == '0' && data[11] == '4';
    p = data + 12;
    if (*p != ' ') /* which is sent even where no reason follows (RFC 9112 section 4) */
        return 0;
    p = value_end(p, end);
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return 0;
    p += 2;
    while (p < end && *p != '\r') {
        struct line line;
        if (!read_line(p, end, &line))
            return 0;
        if (line.size == 6 && is_like(p, "server", 6))
            found->has_server = 1;
        else if (line.size == 4 && is_like(p, "date", 4))
            found->has_date = 1;
        else if (answered_sizes[*p] & bit_of(line.size)) {
            if (!is_bare && length < 0 && !has_chunks && length_of(&line) >= 0)
                length = length_of(&line);
            else if (!found->kept && is_kept_alive(&line)) {
                found->kept = p - 2;
                found->kept_end = line.end;
                goes_on_at = line.end + 2;
            }
            else if (goes_on_at == p && is_keep_alive(&line)) {
                found->kept_end = line.end;
                goes_on_at = NULL;
            }
            else if (!is_bare && length < 0 && !has_chunks && is_chunked(&line))
                has_chunks = 1;
            else if (is_among(p, line.size, answered_names))
                return 0;
        }
        p = line.end + 2;
    }
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return 0;
    found->end = p + 2;
    if (has_chunks)
        return !is_head && is_one_body(found->end, end);
    if (is_head || is_bare)
        return (is_bare || length >= 0) && found->end == end;
    return length >= 0 && end - found->end == length;
}

static PyObject *usual_answer(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    struct answer found;
    (void)module;
    if (count != 5 || !PyBytes_CheckExact(args[0]) || !PyBytes_CheckExact(args[1]) || !PyBytes_CheckExact(args[3])
        || !PyBytes_CheckExact(args[4])) {
        PyErr_SetString(PyExc_TypeError,
            "usual_answer(data: bytes, method: bytes, limits, server: bytes, date: bytes)");
        return NULL;
    }
    bytes data = (bytes)PyBytes_AS_STRING(args[0]), end = data + PyBytes_GET_SIZE(args[0]);
    int is_head = PyBytes_GET_SIZE(args[1]) == 4 && memcmp(PyBytes_AS_STRING(args[1]), "HEAD", 4) == 0;
    Py_ssize_t most = harmless(args[2]);
    if (most < 0 && PyErr_Occurred())
        return NULL;
    if (!scan_answer(data, end, is_head, &found) || found.end - data > most)
        return PyObject_Vectorcall(reference_answer, args, count, NULL);
    Py_ssize_t server = found.has_server ? 0 : PyBytes_GET_SIZE(args[3]);
    Py_ssize_t date = found.has_date ? 0 : PyBytes_GET_SIZE(args[4]);
    if (!found.kept && !server && !date) {
        Py_INCREF(args[0]);
        return args[0];
    }
    if (!found.kept)
        found.kept = found.kept_end = found.end - 2;
    PyObject *result = PyBytes_FromStringAndSize(NULL, end - data - (found.kept_end - found.kept) + server + date);
    if (!result)
        return NULL;
    unsigned char *to = (unsigned char *)PyBytes_AS_STRING(result);
    to = put(to, data, found.kept - data);
    to = put(to, found.kept_end, found.end - 2 - found.kept_end);
    to = put(to, PyBytes_AS_STRING(args[3]), server);
    to = put(to, PyBytes_AS_STRING(args[4]), date);
    put(to, found.end - 2, end - found.end + 2);
    return result;
}

static PyObject *recognises_request(PyObject *module, PyObject *data)
{
    struct request found;
    (void)module;
    if (!PyBytes_CheckExact(data))
        return PyErr_Format(PyExc_TypeError, "recognises_request(data: bytes)");
    bytes begin = (bytes)PyBytes_AS_STRING(data);
    return PyBool_FromLong(scan_request(begin, begin + PyBytes_GET_SIZE(data), &found));
}

static PyObject *recognises_answer(PyObject *module, PyObject *data)
{
    struct answer found;
    (void)module;
    if (!PyBytes_CheckExact(data))
        return PyErr_Format(PyExc_TypeError, "recognises_answer(data: bytes)");
    bytes begin = (bytes)PyBytes_AS_STRING(data);
    return PyBool_FromLong(scan_answer(begin, begin + PyBytes_GET_SIZE(data), 0, &found));
}

static PyMethodDef functions[] = {
    {"usual_request", (PyCFunction)(void (*)(void))usual_request, METH_FASTCALL,
        "usual_request(data, limits)\n--\n\nSee fsm_twisted.http1.usual."},
    {"usual_answer", (PyCFunction)(void (*)(void))usual_answer, METH_FASTCALL,
        "usual_answer(data, method, limits, server, date)\n--\n\nSee fsm_twisted.http1.usual."},
    {"forwarded", (PyCFunction)(void (*)(void))forwarded, METH_FASTCALL,
        "forwarded(data, found, fields, identity)\n--\n\nSee fsm_twisted.http1.usual."},
    {"recognises_request", recognises_request, METH_O,
        "recognises_request(data)\n--\n\nTell whether the reference is not asked."},
    {"recognises_answer", recognises_answer, METH_O,
        "recognises_answer(data)\n--\n\nTell whether the reference is not asked."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speedups", "The usual heads, recognised by compiled code.", -1, functions,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__speedups(void)
{
    PyObject *reference = PyImport_ImportModule("fsm_twisted.http1.usual");
    if (!reference)
        return NULL;
    reference_request = PyObject_GetAttrString(reference, "usual_request");
    reference_answer = PyObject_GetAttrString(reference, "usual_answer");
    Py_DECREF(reference);
    harmless_name = PyUnicode_InternFromString("harmless_bytes");
    if (!reference_request || !reference_answer || !harmless_name)
        return NULL;
    for (int i = 0; i < METHODS; i++)
        if (!(methods[i] = PyBytes_FromString(method_names[i])))
            return NULL;
    fill_table();
    return PyModule_Create(&definition);
}
