/*
 * Lines of the access log without the interpreter: `json_lines` of access_lines.py.
 *
 * Its quick_json_line is the reference: it writes every record in which anything is not as it
 * usually is, a byte that JSON escapes above all. So this may know less than it, never more.
 */
#ifndef FSM_TWISTED_ACCESS_LINES_H
#define FSM_TWISTED_ACCESS_LINES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* Bytes that are somebody else's. */
struct span {
    const char *begin;
    Py_ssize_t size;
};

#define SPAN(text) ((struct span){"" text, sizeof text - 1})

/* Bytes that are written here; memory for all of them is there before they are. */
struct output {
    char *data;
    Py_ssize_t size, room;
};

/* What is asked for in Python, in this order. */
enum { REFERENCE, WAY, ENDPOINTS, CONNECTION, PROTOCOLS, HELPERS };

/* The members of Noted. */
enum {
    BEGUN, ENDED, SENT, STATUS, TRIES, MINOR, BYTES_IN, BYTES_OUT, BODY_BYTES_OUT,
    HEAD, TARGET, PEER, ROUTE, TRIED, REASON, CALL, MEMBERS
};

/* One record on its way to a line; texts that Python made are held until it is written. */
struct record {
    double begun, seconds, upstream, overhead;
    long long status, tries, bytes_in, bytes_out;
    struct span identity, client, method, host, path, agent, referer, protocol;
    PyObject *made[3]; /* WAY, ENDPOINTS, CONNECTION */
};

enum { UNUSUAL = 0, USUAL = 1, FAILED = -1 };
enum { MOST_OF_FRAME = 1024 }; /* names of members, numbers and the time take less */
static const double year_10000 = 253402300800.0;

/* Writing */

static int make_room(struct output *out, Py_ssize_t size)
{
    if (out->room - out->size >= size)
        return 1;
    Py_ssize_t room = out->room + out->room / 2 + size;
    char *data = PyMem_Realloc(out->data, room);
    if (!data) {
        PyErr_NoMemory();
        return 0;
    }
    out->data = data;
    out->room = room;
    return 1;
}

static inline void put(struct output *out, struct span text)
{
    if (text.size) /* what is empty may be nowhere */
        memcpy(out->data + out->size, text.begin, text.size);
    out->size += text.size;
}

static inline void put_text(struct output *out, struct span name, struct span value)
{
    put(out, name);
    put(out, value);
    out->data[out->size++] = '"';
}

static void put_number(struct output *out, unsigned long long number)
{
    char digits[20];
    int at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    put(out, (struct span){digits + at, (Py_ssize_t)sizeof digits - at});
}

/* The last so many digits of NUMBER, zeros included. */
static void put_digits(struct output *out, long long number, int count)
{
    for (int at = count; at--; number /= 10)
        out->data[out->size + at] = (char)('0' + number % 10);
    out->size += count;
}

/* As "%.6f"; 0 with an exception. */
static int put_seconds(struct output *out, double seconds)
{
    double millionths = seconds * 1e6, whole = floor(millionths);
    /* The product is off by less than a hundred-thousandth: it tells which way to round, but near
       the middle. */
    if (seconds >= 0.0 && seconds < 1e5 && fabs(millionths - whole - 0.5) > 1e-3) {
        long long rounded = (long long)whole + (millionths - whole > 0.5);
        put_number(out, (unsigned long long)(rounded / 1000000));
        out->data[out->size++] = '.';
        put_digits(out, rounded % 1000000, 6);
        return 1;
    }
    char *text = PyOS_double_to_string(seconds, 'f', 6, 0, NULL);
    if (!text)
        return 0;
    put(out, (struct span){text, (Py_ssize_t)strlen(text)});
    PyMem_Free(text);
    return 1;
}

/* As iso_time of access_format.py; its seconds are mostly those of the line before. */
static void put_time(struct output *out, double begun)
{
    static long long last = -1;
    static char text[32];
    long long milliseconds = (long long)(begun * 1000), second = milliseconds / 1000;
    if (second != last) {
        time_t moment = (time_t)second;
        struct tm parts;
        gmtime_r(&moment, &parts);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
        last = second;
    }
    put(out, (struct span){text, 20});
    put_digits(out, milliseconds % 1000, 3);
    put(out, SPAN("Z"));
}

/* Reading */

/* Whether JSON has each byte as it is. */
static int is_plain(struct span text)
{
    for (Py_ssize_t at = 0; at < text.size; at++) {
        unsigned char byte = (unsigned char)text.begin[at];
        if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
            return 0;
    }
    return 1;
}

/* Whether LINE begins with NAME (lower case, with its colon), however that is spelt; then VALUE is
   what follows, without spaces around. */
static int is_field(struct span line, struct span name, struct span *value)
{
    if (value->begin || line.size < name.size)
        return 0; /* the first field of a name counts */
    for (Py_ssize_t at = 0; at < name.size; at++) {
        char byte = line.begin[at];
        if ((byte >= 'A' && byte <= 'Z' ? byte + 32 : byte) != name.begin[at])
            return 0;
    }
    const char *begin = line.begin + name.size, *end = line.begin + line.size;
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value = (struct span){begin, end - begin};
    return 1;
}

/* Whether LINE begins with PREFIX, which only we write; then VALUE is the rest. */
static int is_own(struct span line, struct span prefix, struct span *value)
{
    if (line.size < prefix.size || memcmp(line.begin, prefix.begin, prefix.size) != 0)
        return 0;
    *value = (struct span){line.begin + prefix.size, line.size - prefix.size}; /* the last one counts */
    return 1;
}

static void take_field(struct record *record, struct span line)
{
    if (line.size == 0)
        return;
    switch (line.begin[0]) {
    case 'H': case 'h':
        is_field(line, SPAN("host:"), &record->host);
        break;
    case 'U': case 'u':
        is_field(line, SPAN("user-agent:"), &record->agent);
        break;
    case 'R': case 'r':
        is_field(line, SPAN("referer:"), &record->referer);
        break;
    case 'X':
        if (!is_own(line, SPAN("X-Request-ID: "), &record->identity))
            is_own(line, SPAN("X-Real-IP: "), &record->client);
        break;
    default:
        break;
    }
}

/* The line at *AT, which is moved behind its end; nothing (NULL) where a CR does not end one. */
static struct span next_line(const char **at, const char *end)
{
    const char *begin = *at, *stop = memchr(begin, '\r', end - begin);
    if (!stop || stop + 1 == end || stop[1] != '\n')
        return (struct span){NULL, 0};
    *at = stop + 2;
    return (struct span){begin, stop - begin};
}

/* Whether LINE has a method and a target. */
static int take_request_line(struct record *record, struct span line)
{
    const char *first = memchr(line.begin, ' ', line.size);
    const char *last = memrchr(line.begin, ' ', line.size);
    if (!first || first == line.begin || first == last)
        return 0;
    record->method = (struct span){line.begin, first - line.begin};
    record->path = (struct span){first + 1, last - first - 1};
    return 1;
}

/* Whether HEAD is one, of lines that end as they should. */
static int take_head(struct record *record, PyObject *head)
{
    const char *at = PyBytes_AS_STRING(head), *end = at + PyBytes_GET_SIZE(head);
    struct span line = next_line(&at, end);
    if (!line.begin || !take_request_line(record, line))
        return 0;
    while (at < end) {
        line = next_line(&at, end);
        if (!line.begin)
            return 0;
        take_field(record, line);
    }
    return 1;
}

static int take_double(PyObject *value, double *into)
{
    if (!PyFloat_CheckExact(value))
        return 0;
    *into = PyFloat_AS_DOUBLE(value);
    return 1;
}

/* Whether VALUE is a number that can be counted with. */
static int take_count(PyObject *value, long long *into)
{
    int overflow;
    if (!PyLong_CheckExact(value))
        return 0;
    *into = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow && *into >= 0;
}

static int take_numbers(struct record *record, PyObject *noted, double offset)
{
    double begun, ended, sent;
    if (!take_double(PyTuple_GET_ITEM(noted, BEGUN), &begun) || !take_double(PyTuple_GET_ITEM(noted, ENDED), &ended)
        || !take_double(PyTuple_GET_ITEM(noted, SENT), &sent)
        || !take_count(PyTuple_GET_ITEM(noted, STATUS), &record->status)
        || !take_count(PyTuple_GET_ITEM(noted, TRIES), &record->tries)
        || !take_count(PyTuple_GET_ITEM(noted, BYTES_IN), &record->bytes_in)
        || !take_count(PyTuple_GET_ITEM(noted, BYTES_OUT), &record->bytes_out))
        return 0;
    record->begun = offset + begun;
    record->seconds = ended - begun;
    record->upstream = sent != 0.0 ? ended - sent : -1.0;
    double overhead = record->seconds - (sent != 0.0 ? record->upstream : 0.0);
    record->overhead = overhead > 0.0 ? overhead : 0.0;
    return record->begun >= 0.0 && record->begun < year_10000 && record->seconds >= 0.0 && record->seconds < year_10000
        && (sent == 0.0 || record->upstream >= 0.0);
}

static int take_texts(struct record *record, PyObject *noted)
{
    for (int at = HEAD; at <= REASON; at++)
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(noted, at)))
            return 0;
    if (!take_head(record, PyTuple_GET_ITEM(noted, HEAD)))
        return 0;
    PyObject *target = PyTuple_GET_ITEM(noted, TARGET);
    if (PyBytes_GET_SIZE(target))
        record->path = (struct span){PyBytes_AS_STRING(target), PyBytes_GET_SIZE(target)};
    return record->client.size && is_plain(record->identity) && is_plain(record->client) && is_plain(record->method)
        && is_plain(record->host) && is_plain(record->path) && is_plain(record->agent) && is_plain(record->referer);
}

/* Have Python make a text, or find the one that it has made; 0 with an exception. */
static int make(struct record *record, int which, PyObject *helpers, PyObject *const *args, size_t count)
{
    PyObject *text = PyObject_Vectorcall(PyTuple_GET_ITEM(helpers, which), args, count, NULL);
    record->made[which - WAY] = text;
    if (text && !(PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text)))
        PyErr_SetString(PyExc_TypeError, "part of a line is no ASCII");
    return !PyErr_Occurred();
}

static struct span span_of(PyObject *text)
{
    return (struct span){(const char *)PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text)};
}

static int make_texts(struct record *record, PyObject *helpers, PyObject *noted)
{
    PyObject *way[] = {PyTuple_GET_ITEM(noted, REASON), PyTuple_GET_ITEM(noted, ROUTE)};
    PyObject *tried = PyTuple_GET_ITEM(noted, TRIED), *peer = PyTuple_GET_ITEM(noted, PEER);
    if (!make(record, WAY, helpers, way, 2) || !make(record, ENDPOINTS, helpers, &tried, 1)
        || !make(record, CONNECTION, helpers, &peer, 1))
        return FAILED;
    PyObject *protocol = PyDict_GetItemWithError(PyTuple_GET_ITEM(helpers, PROTOCOLS), PyTuple_GET_ITEM(noted, MINOR));
    if (!protocol || !PyUnicode_Check(protocol) || !PyUnicode_IS_COMPACT_ASCII(protocol))
        return PyErr_Occurred() ? FAILED : UNUSUAL;
    record->protocol = span_of(protocol);
    return USUAL;
}

/* Lines */

static Py_ssize_t size_of(const struct record *record)
{
    Py_ssize_t size = MOST_OF_FRAME + record->identity.size + record->client.size + record->method.size
        + record->host.size + record->path.size + record->agent.size + record->referer.size + record->protocol.size;
    for (int at = 0; at < 3; at++)
        size += PyUnicode_GET_LENGTH(record->made[at]);
    return size;
}

static int put_times(struct output *out, const struct record *record)
{
    put(out, SPAN(",\"seconds\":"));
    if (!put_seconds(out, record->seconds))
        return 0;
    put(out, SPAN(",\"upstream_seconds\":"));
    if (record->upstream < 0.0)
        put(out, SPAN("null"));
    else if (!put_seconds(out, record->upstream))
        return 0;
    put(out, SPAN(",\"overhead_seconds\":"));
    return put_seconds(out, record->overhead);
}

static int put_record(struct output *out, const struct record *record)
{
    if (!make_room(out, size_of(record)))
        return 0;
    put(out, SPAN("{\"time\":\""));
    put_time(out, record->begun);
    put_text(out, SPAN("\",\"request_id\":\""), record->identity);
    put_text(out, SPAN(",\"client\":\""), record->client);
    put_text(out, SPAN(",\"method\":\""), record->method);
    put_text(out, SPAN(",\"host\":\""), record->host);
    put_text(out, SPAN(",\"path\":\""), record->path);
    put_text(out, SPAN(",\"protocol\":\""), record->protocol);
    put(out, SPAN(",\"status\":"));
    put_number(out, record->status);
    put(out, SPAN(","));
    put(out, span_of(record->made[0]));
    put(out, SPAN(",\"upstream\":"));
    put(out, span_of(record->made[ENDPOINTS - WAY]));
    put(out, SPAN(",\"tries\":"));
    put_number(out, record->tries);
    put(out, SPAN(",\"bytes_in\":"));
    put_number(out, record->bytes_in);
    put(out, SPAN(",\"bytes_out\":"));
    put_number(out, record->bytes_out);
    if (!put_times(out, record))
        return 0;
    put(out, SPAN(","));
    put(out, span_of(record->made[CONNECTION - WAY]));
    put_text(out, SPAN(",\"user_agent\":\""), record->agent);
    put_text(out, SPAN(",\"referer\":\""), record->referer);
    put(out, SPAN("}\n"));
    return 1;
}

/* Write a record as it usually is; whether it was one. */
static int put_usual(struct output *out, PyObject *helpers, PyObject *noted, double offset)
{
    struct record record = {0};
    if (!PyTuple_Check(noted) || PyTuple_GET_SIZE(noted) != MEMBERS || PyTuple_GET_ITEM(noted, CALL) != Py_None
        || !take_numbers(&record, noted, offset) || !take_texts(&record, noted))
        return UNUSUAL;
    int is_usual = make_texts(&record, helpers, noted);
    if (is_usual == USUAL && !put_record(out, &record))
        is_usual = FAILED;
    for (int at = 0; at < 3; at++)
        Py_XDECREF(record.made[at]);
    return is_usual;
}

/* Have the reference write a record; 0 with an exception. */
static int put_unusual(struct output *out, PyObject *helpers, PyObject *offset, PyObject *noted)
{
    PyObject *args[] = {offset, noted};
    PyObject *line = PyObject_Vectorcall(PyTuple_GET_ITEM(helpers, REFERENCE), args, 2, NULL);
    int is_put = line && PyUnicode_Check(line) && PyUnicode_IS_COMPACT_ASCII(line);
    if (line && !is_put)
        PyErr_SetString(PyExc_TypeError, "a line is no ASCII");
    is_put = is_put && make_room(out, PyUnicode_GET_LENGTH(line));
    if (is_put)
        put(out, span_of(line));
    Py_XDECREF(line);
    return is_put;
}

/* Write all of NOTES, which nobody else can change; 0 with an exception. */
static int put_all(struct output *out, PyObject *helpers, PyObject *offset, PyObject *notes)
{
    double seconds = PyFloat_AS_DOUBLE(offset);
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(notes); at++) {
        PyObject *noted = PyTuple_GET_ITEM(notes, at);
        int is_usual = put_usual(out, helpers, noted, seconds);
        if (is_usual == FAILED || (is_usual == UNUSUAL && !put_unusual(out, helpers, offset, noted)))
            return 0;
    }
    return 1;
}

static PyObject *json_lines(PyObject *helpers, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2 || !PyFloat_CheckExact(args[0]))
        return PyErr_Format(PyExc_TypeError, "json_lines(offset_seconds: float, notes)");
    PyObject *notes = PySequence_Tuple(args[1]);
    if (!notes)
        return NULL;
    struct output out = {NULL, 0, 0};
    PyObject *lines = NULL;
    if (put_all(&out, helpers, args[0], notes))
        lines = PyBytes_FromStringAndSize(out.data, out.size);
    PyMem_Free(out.data);
    Py_DECREF(notes);
    return lines;
}

static PyMethodDef json_lines_definition = {
    "json_lines", (PyCFunction)(void (*)(void))json_lines, METH_FASTCALL, "See access_lines.py."};

static PyObject *json_lines_function(PyObject *module, PyObject *args)
{
    (void)module;
    if (PyTuple_GET_SIZE(args) != HELPERS || !PyDict_Check(PyTuple_GET_ITEM(args, PROTOCOLS)))
        return PyErr_Format(PyExc_TypeError, "json_lines_function(reference, way, endpoints, connection, protocols)");
    return PyCFunction_New(&json_lines_definition, args);
}

#endif
