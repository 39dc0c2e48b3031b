/*
 * A plain socket's recv and send without what Python's own spend on time-outs, threads and buffers.
 *
 * The socket must be non-blocking; the interpreter is not released for calls that cannot wait.
 * Python's socket stays the owner: its descriptor is looked at in every call, so that nothing can
 * reach a descriptor that has been closed and given to another connection.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <sys/socket.h>

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
    if (!spare && !(spare = PyBytes_FromStringAndSize(NULL, READ_BYTES)))
        return NULL;
    ssize_t got;
    do
        got = recv(((struct plain *)self)->socket->fd, PyBytes_AS_STRING(spare), wanted, 0);
    while (got < 0 && errno == EINTR && PyErr_CheckSignals() == 0);
    if (got < 0)
        return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    if (got <= SMALL_BYTES)
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(spare), got);
    PyObject *data = spare;
    spare = NULL;
    _PyBytes_Resize(&data, got);
    return data;
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

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speedups", "Reading and writing plain sockets.", -1, NULL,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__speedups(void)
{
    PyObject *sockets = PyImport_ImportModule("_socket");
    if (!sockets)
        return NULL;
    socket_type = PyObject_GetAttrString(sockets, "socket");
    Py_DECREF(sockets);
    if (!socket_type || PyType_Ready(&plain_type) < 0)
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
