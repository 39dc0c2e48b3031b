/*
 * What the reactor, descriptors and plain sockets do for every message, without the interpreter.
 *
 * Each is the usual way of a method or function in Python, which is the reference and is called
 * for everything else: turn.py, descriptor.py, and Python's own sockets.
 */
#include "../slots.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/*
 * A plain socket's recv and send without what Python's own spend on time-outs, threads and buffers.
 *
 * The socket must be non-blocking; the interpreter is not released for calls that cannot wait.
 * Python's socket stays the owner: its descriptor is looked at in every call, so that nothing can
 * reach a descriptor that has been closed and given to another connection.
 */

enum { READ_BYTES = 65536, SMALL_BYTES = 16384 };

/* As _socket.socket begins; that it does is checked for every socket. */
struct python_socket {
    PyObject_HEAD
    int fd;
};

struct plain {
    PyObject_HEAD
    struct python_socket *socket;
};

static PyObject *socket_type;
/* What is read goes here first: small messages are copied from it, a large one takes it along. */
static PyObject *spare;

static PyObject *plain_recv(PyObject *self, PyObject *size)
{
    Py_ssize_t wanted = PyLong_AsSsize_t(size);
    if (wanted < 0)
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "negative size");
    if (wanted > READ_BYTES)
        wanted = READ_BYTES;
    /* It is nobody else's meanwhile: a signal's handler may read as well. */
    PyObject *data = spare ? spare : PyBytes_FromStringAndSize(NULL, READ_BYTES), *small = NULL;
    spare = NULL;
    if (!data)
        return NULL;
    ssize_t got;
    do
        got = recv(((struct plain *)self)->socket->fd, PyBytes_AS_STRING(data), wanted, 0);
    while (got < 0 && errno == EINTR && PyErr_CheckSignals() == 0);
    if (got > SMALL_BYTES) {
        _PyBytes_Resize(&data, got);
        return data;
    }
    if (got >= 0)
        small = PyBytes_FromStringAndSize(PyBytes_AS_STRING(data), got);
    else if (!PyErr_Occurred())
        PyErr_SetFromErrno(PyExc_OSError);
    Py_XSETREF(spare, data);
    return small;
}

static PyObject *plain_send(PyObject *self, PyObject *data)
{
    Py_buffer view;
    ssize_t sent;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    do
        sent = send(((struct plain *)self)->socket->fd, view.buf, view.len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR && PyErr_CheckSignals() == 0);
    int error = errno;
    PyBuffer_Release(&view);
    errno = error;
    if (sent < 0)
        return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromSsize_t(sent);
}

static PyObject *plain_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *sock;
    if (keywords || !PyArg_ParseTuple(args, "O", &sock))
        return keywords ? PyErr_Format(PyExc_TypeError, "PlainEnds(sock)") : NULL;
    int is_socket = PyObject_IsInstance(sock, socket_type);
    PyObject *number = is_socket > 0 ? PyObject_CallMethod(sock, "fileno", NULL) : NULL;
    if (!number)
        return is_socket ? NULL : PyErr_Format(PyExc_TypeError, "a socket is needed");
    long fd = PyLong_AsLong(number);
    Py_DECREF(number);
    if (PyErr_Occurred())
        return NULL;
    if (fd != ((struct python_socket *)sock)->fd)
        return PyErr_Format(PyExc_TypeError, "this Python's sockets are not as they were known");
    struct plain *self = (struct plain *)type->tp_alloc(type, 0);
    if (self) {
        Py_INCREF(sock);
        self->socket = (struct python_socket *)sock;
    }
    return (PyObject *)self;
}

static void plain_dealloc(PyObject *self)
{
    Py_XDECREF((PyObject *)((struct plain *)self)->socket);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef plain_methods[] = {
    {"recv", plain_recv, METH_O, "recv(size)\n--\n\nRead at most so many bytes."},
    {"send", plain_send, METH_O, "send(data)\n--\n\nWrite, and tell how many bytes were taken."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject plain_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "fsm_twisted.net._speedups.PlainEnds",
    .tp_doc = "Both ends of a plain, non-blocking socket.",
    .tp_basicsize = sizeof(struct plain),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = plain_methods,
    .tp_new = plain_new,
    .tp_dealloc = plain_dealloc,
};

/*
 * The hot methods of Descriptor (descriptor.py), which read and write its slots where they lie.
 *
 * Only what is usual is done here; a slot that holds anything else hands the call to Python.
 */
enum slot { IS_CLOSED, OUT, OUTBOX, PENDING, READ_BYTES_SLOT, READING, RECV, SEND, SOON, SLOTS };
static const char *const slot_names[SLOTS] = {
    "is_closed", "_out", "_outbox", "_pending", "read_bytes", "_reading", "_recv", "_send", "_soon",
};
static Py_ssize_t offsets[SLOTS];
static PyTypeObject *descriptor_type;
static PyObject *reference_read, *connection_lost, *nothing;
static PyObject *do_read_name, *flush_name, *data_received_name, *input_ended_name, *stop_reading_name;
static PyObject *write_name, *queue_name, *drop_output_name;

static PyObject **place(PyObject *self, enum slot slot)
{
    return slot_at(self, offsets[slot]);
}

/* What a call has returned, but for its reference; None in its place. */
static PyObject *done(PyObject *result)
{
    if (!result)
        return NULL;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

static int is_true(PyObject *self, enum slot slot)
{
    PyObject *value = *place(self, slot);
    return value ? PyObject_IsTrue(value) : 0;
}

/* Call what a slot holds, which may hold something else before that returns. */
static PyObject *call(PyObject *self, enum slot slot, PyObject *argument)
{
    PyObject *callable = *place(self, slot);
    if (!callable)
        return PyErr_Format(PyExc_AttributeError, "%s", slot_names[slot]);
    Py_INCREF(callable);
    PyObject *result = argument ? PyObject_CallOneArg(callable, argument) : PyObject_CallNoArgs(callable);
    Py_DECREF(callable);
    return result;
}

static PyObject *end_of_input(PyObject *self)
{
    PyObject *stopped = PyObject_CallMethodNoArgs(self, stop_reading_name);
    if (!stopped)
        return NULL;
    Py_DECREF(stopped);
    return done(PyObject_CallMethodNoArgs(self, input_ended_name));
}

static PyObject *do_read(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *reading = *place(self, READING);
    if (reading == Py_False)
        Py_RETURN_NONE;
    if (reading != Py_True)
        return PyObject_CallOneArg(reference_read, self);
    for (;;) {
        PyObject *size = *place(self, READ_BYTES_SLOT);
        if (!size)
            return PyErr_Format(PyExc_AttributeError, "read_bytes");
        Py_INCREF(size);
        PyObject *data = call(self, RECV, size);
        Py_DECREF(size);
        if (!data) {
            int would_block = PyErr_ExceptionMatches(PyExc_BlockingIOError);
            if (!would_block && !PyErr_ExceptionMatches(PyExc_OSError))
                return NULL;
            PyErr_Clear();
            PyObject *why = would_block ? Py_None : connection_lost;
            Py_INCREF(why);
            return why;
        }
        int is_something = PyObject_IsTrue(data);
        if (is_something <= 0) {
            Py_DECREF(data);
            return is_something < 0 ? NULL : end_of_input(self);
        }
        PyObject *taken = PyObject_CallMethodOneArg(self, data_received_name, data);
        Py_DECREF(data);
        if (!taken)
            return NULL;
        Py_DECREF(taken);
        if (*place(self, PENDING) == Py_None)
            Py_RETURN_NONE;
        int goes_on = is_true(self, READING), is_closed = is_true(self, IS_CLOSED);
        if (goes_on < 0 || is_closed < 0)
            return NULL;
        if (!goes_on || is_closed)
            Py_RETURN_NONE;
        PyObject *pending = call(self, PENDING, NULL);
        int is_pending = pending ? PyObject_IsTrue(pending) : -1;
        Py_XDECREF(pending);
        if (is_pending < 0)
            return NULL;
        if (!is_pending)
            Py_RETURN_NONE;
    }
}

static PyObject *write_soon(PyObject *self, PyObject *data)
{
    PyObject *outbox = *place(self, OUTBOX), *soon = *place(self, SOON);
    if (outbox && PyList_CheckExact(outbox) && soon && PyBytes_CheckExact(soon) && !PyBytes_GET_SIZE(soon)
        && *place(self, OUT) == Py_None && PyBytes_CheckExact(data)) {
        if (PyList_Append(outbox, self) < 0)
            return NULL;
        Py_INCREF(data);
        *place(self, SOON) = data;
        Py_DECREF(soon);
        Py_RETURN_NONE;
    }
    return done(PyObject_CallMethodOneArg(self, write_name, data));
}

/* Send DATA, all that is to be sent; what the kernel refuses is queued in Python. */
static PyObject *send_now(PyObject *self, PyObject *data)
{
    PyObject *sent = call(self, SEND, data);
    if (!sent) {
        if (PyErr_ExceptionMatches(PyExc_BlockingIOError)) {
            PyErr_Clear();
            sent = PyLong_FromLong(0);
        }
        else if (PyErr_ExceptionMatches(PyExc_OSError)) {
            PyErr_Clear();
            return done(PyObject_CallMethodNoArgs(self, drop_output_name));
        }
        if (!sent)
            return NULL;
    }
    Py_ssize_t size = PyLong_AsSsize_t(sent);
    if (size == PyBytes_GET_SIZE(data)) {
        Py_DECREF(sent);
        Py_RETURN_NONE;
    }
    PyObject *queued = NULL;
    if (size != -1 || !PyErr_Occurred())
        queued = PyObject_CallMethodObjArgs(self, queue_name, data, sent, NULL);
    Py_DECREF(sent);
    return done(queued);
}

static PyObject *flush(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *data = *place(self, SOON);
    Py_INCREF(nothing);
    *place(self, SOON) = nothing;
    PyObject *result;
    if (data && PyBytes_CheckExact(data) && *place(self, OUT) == Py_None) {
        if (PyBytes_GET_SIZE(data))
            result = send_now(self, data);
        else
            Py_INCREF(result = Py_None);
    }
    else {
        int is_something = data ? PyObject_IsTrue(data) : 0;
        if (is_something > 0)
            result = done(PyObject_CallMethodOneArg(self, write_name, data));
        else if (!is_something)
            Py_INCREF(result = Py_None);
        else
            result = NULL;
    }
    Py_XDECREF(data);
    return result;
}

static PyMethodDef hot[] = {
    {"doRead", do_read, METH_NOARGS, "See `Descriptor.doRead`."},
    {"write_soon", write_soon, METH_O, "See `Descriptor.write_soon`."},
    {"flush", flush, METH_NOARGS, "See `Descriptor.flush`."},
    {NULL, NULL, 0, NULL},
};

static int find_slots(PyTypeObject *type)
{
    for (int slot = 0; slot < SLOTS; slot++)
        if (!find_slot(type, slot_names[slot], &offsets[slot]))
            return 0;
    return 1;
}

static PyObject *hot_methods(PyObject *module, PyObject *args)
{
    PyObject *type, *lost;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O", &PyType_Type, &type, &lost))
        return NULL;
    if (descriptor_type && (PyObject *)descriptor_type != type)
        return PyErr_Format(PyExc_TypeError, "there is one class of descriptors");
    PyObject *reference = find_slots((PyTypeObject *)type) ? PyObject_GetAttrString(type, "doRead") : NULL;
    PyObject *methods = reference ? PyDict_New() : NULL;
    if (!methods) {
        Py_XDECREF(reference);
        return NULL;
    }
    Py_XSETREF(reference_read, reference);
    Py_INCREF(lost);
    Py_XSETREF(connection_lost, lost);
    Py_INCREF(type);
    Py_XSETREF(descriptor_type, (PyTypeObject *)type);
    for (PyMethodDef *each = hot; each->ml_name; each++) {
        PyObject *method = PyDescr_NewMethod((PyTypeObject *)type, each);
        int stored = method ? PyDict_SetItemString(methods, each->ml_name, method) : -1;
        Py_XDECREF(method);
        if (stored < 0) {
            Py_DECREF(methods);
            return NULL;
        }
    }
    return methods;
}

/*
 * The events of one turn (turn.py). What an event needs beyond a plain doRead is asked of the
 * reactor, as are all failures.
 */

/* Hand the exception that has been raised to the reactor; 0 when that raises one itself. */
static int tell_failure(PyObject *reactor, const char *name, PyObject *descriptor)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback)
        PyException_SetTraceback(value, traceback);
    PyObject *told = PyObject_CallMethod(reactor, name, "OO", descriptor, value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    Py_XDECREF(told);
    return told != NULL;
}

static int serve_one(PyObject *descriptor, PyObject *fd, PyObject *event, PyObject *reactor)
{
    PyObject *told;
    if (PyLong_AsLong(event) != EPOLLIN) {
        if (PyErr_Occurred())
            return 0;
        told = PyObject_CallMethod(reactor, "otherwise_ready", "OOO", descriptor, fd, event);
    }
    else {
        PyObject *why = PyObject_CallMethodNoArgs(descriptor, do_read_name);
        if (!why)
            return tell_failure(reactor, "read_failed", descriptor);
        if (why == Py_None) {
            Py_DECREF(why);
            return 1;
        }
        told = PyObject_CallMethod(reactor, "disconnect", "OO", descriptor, why);
        Py_DECREF(why);
    }
    Py_XDECREF(told);
    return told != NULL;
}

static PyObject *serve(PyObject *module, PyObject *args)
{
    PyObject *ready, *selectables, *reactor;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O", &PyList_Type, &ready, &PyDict_Type, &selectables, &reactor))
        return NULL;
    for (Py_ssize_t at = 0; at < PyList_GET_SIZE(ready); at++) {
        PyObject *pair = PyList_GET_ITEM(ready, at);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
            return PyErr_Format(PyExc_TypeError, "pairs of descriptor and event are needed");
        PyObject *fd = PyTuple_GET_ITEM(pair, 0), *event = PyTuple_GET_ITEM(pair, 1);
        PyObject *descriptor = PyDict_GetItemWithError(selectables, fd);
        if (!descriptor) {
            if (PyErr_Occurred())
                return NULL;
            continue;
        }
        Py_INCREF(pair);
        Py_INCREF(descriptor);
        int served = serve_one(descriptor, fd, event, reactor);
        Py_DECREF(descriptor);
        Py_DECREF(pair);
        if (!served)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *flush_all(PyObject *module, PyObject *args)
{
    PyObject *outbox, *reactor;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &outbox, &reactor))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(outbox);
    PyObject *waiting = PyList_GetSlice(outbox, 0, count);
    if (!waiting)
        return NULL;
    int is_well = PyList_SetSlice(outbox, 0, count, NULL) == 0;
    for (Py_ssize_t at = 0; is_well && at < count; at++) {
        PyObject *descriptor = PyList_GET_ITEM(waiting, at);
        PyObject *flushed = PyObject_CallMethodNoArgs(descriptor, flush_name);
        if (flushed)
            Py_DECREF(flushed);
        else
            is_well = tell_failure(reactor, "flush_failed", descriptor);
    }
    Py_DECREF(waiting);
    if (!is_well)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"hot_methods", hot_methods, METH_VARARGS,
        "hot_methods(descriptor, lost)\n--\n\nMake the hot methods of the class of descriptors."},
    {"serve", serve, METH_VARARGS, "serve(ready, selectables, reactor)\n--\n\nSee fsm_twisted.net.turn."},
    {"flush_all", flush_all, METH_VARARGS, "flush_all(outbox, reactor)\n--\n\nSee fsm_twisted.net.turn."},
    {NULL, NULL, 0, NULL},
};

static int make_names(void)
{
    static const struct {
        PyObject **name;
        const char *text;
    } names[] = {
        {&do_read_name, "doRead"}, {&flush_name, "flush"}, {&write_name, "write"},
        {&data_received_name, "data_received"}, {&input_ended_name, "input_ended"},
        {&stop_reading_name, "_stop_reading"}, {&queue_name, "_queue"}, {&drop_output_name, "drop_output"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (!(*names[at].name = PyUnicode_InternFromString(names[at].text)))
            return 0;
    return (nothing = PyBytes_FromStringAndSize(NULL, 0)) != NULL;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speedups", "What is done for every message.", -1, functions,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__speedups(void)
{
    PyObject *sockets = PyImport_ImportModule("_socket");
    if (!sockets)
        return NULL;
    socket_type = PyObject_GetAttrString(sockets, "socket");
    Py_DECREF(sockets);
    if (!socket_type || !make_names() || PyType_Ready(&plain_type) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module)
        return NULL;
    Py_INCREF(&plain_type);
    if (PyModule_AddObject(module, "PlainEnds", (PyObject *)&plain_type) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
