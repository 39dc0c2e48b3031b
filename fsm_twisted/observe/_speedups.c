/*
 * Counting a request (cells.py) without the interpreter; and writing it down: access_lines.h.
 *
 * The cells stay Python's objects, and UpstreamCells.observe is the reference: it is called whenever
 * anything is not as it usually is, before anything has been counted.
 */
#include "../slots.h"
#include "access_lines.h"

enum { MOST_BOUNDS = 32 };

static PyTypeObject *cells_type;
static PyObject *reference, *requests, *one;
static Py_ssize_t counts_at, duration_at, upstream_at, first_bucket;
static double bounds[MOST_BOUNDS];
static Py_ssize_t bounds_count;

/* Where the buckets end in the list of counts; those of both kinds lie side by side. */
static Py_ssize_t behind_buckets(void)
{
    return first_bucket + 2 * (bounds_count + 1);
}

/* Count one at a place that is there; 0 with an exception. */
static int count_at(PyObject *counts, Py_ssize_t at)
{
    PyObject *count = PyNumber_Add(PyList_GET_ITEM(counts, at), one);
    return count && PyList_SetItem(counts, at, count) == 0; /* which takes the reference */
}

/* Count SECONDS in its bucket, the first one whose bound is not below, and in its sum. */
static int add(PyObject *self, PyObject *counts, double seconds, Py_ssize_t sum_at, int kind)
{
    Py_ssize_t at = 0;
    while (at < bounds_count && bounds[at] < seconds)
        at++;
    if (!count_at(counts, first_bucket + 2 * at + kind))
        return 0;
    PyObject **place = slot_at(self, sum_at), *before = *place;
    PyObject *sum = PyFloat_FromDouble(PyFloat_AS_DOUBLE(before) + seconds);
    if (!sum)
        return 0;
    *place = sum;
    Py_DECREF(before);
    return 1;
}

static int is_float(PyObject *value)
{
    return value && PyFloat_CheckExact(value);
}

/* Where requests by METHOD with STATUS are counted; -1, perhaps with an exception, for nowhere. */
static Py_ssize_t place_of(PyObject *method, PyObject *status)
{
    if (!PyBytes_CheckExact(method) || !PyLong_CheckExact(status))
        return -1;
    PyObject *key = PyTuple_Pack(2, method, status);
    PyObject *place = key ? PyDict_GetItemWithError(requests, key) : NULL;
    Py_XDECREF(key);
    return place ? PyLong_AsSsize_t(place) : -1;
}

static PyObject *observe(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4)
        return PyErr_Format(PyExc_TypeError, "observe(method, status_class, seconds, upstream)");
    Py_ssize_t at = place_of(args[0], args[1]); /* may run anything: the collector, for one */
    if (at < 0 && PyErr_Occurred())
        return NULL;
    PyObject *counts = *slot_at(self, counts_at);
    if (at >= 0 && counts && PyList_CheckExact(counts) && PyList_GET_SIZE(counts) >= behind_buckets()
        && at < PyList_GET_SIZE(counts) && is_float(*slot_at(self, duration_at))
        && is_float(*slot_at(self, upstream_at)) && is_float(args[2]) && is_float(args[3])) {
        if (!count_at(counts, at) || !add(self, counts, PyFloat_AS_DOUBLE(args[2]), duration_at, 0)
            || !add(self, counts, PyFloat_AS_DOUBLE(args[3]), upstream_at, 1))
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *all[] = {self, args[0], args[1], args[2], args[3]};
    return PyObject_Vectorcall(reference, all, 5, NULL);
}

static PyMethodDef method = {
    "observe", (PyCFunction)(void (*)(void))observe, METH_FASTCALL, "See `UpstreamCells.observe`."};

static int take_bounds(PyObject *given)
{
    if (PyTuple_GET_SIZE(given) > MOST_BOUNDS) {
        PyErr_SetString(PyExc_ValueError, "too many bounds");
        return 0;
    }
    bounds_count = PyTuple_GET_SIZE(given);
    for (Py_ssize_t at = 0; at < bounds_count; at++) {
        bounds[at] = PyFloat_AsDouble(PyTuple_GET_ITEM(given, at));
        if (bounds[at] == -1.0 && PyErr_Occurred())
            return 0;
    }
    return 1;
}

static PyObject *observe_method(PyObject *module, PyObject *args)
{
    PyObject *cells, *table, *given, *function;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!nO", &PyType_Type, &cells, &PyDict_Type, &table, &PyTuple_Type, &given,
            &first_bucket, &function))
        return NULL;
    if (cells_type && (PyObject *)cells_type != cells)
        return PyErr_Format(PyExc_TypeError, "there is one class of cells");
    PyTypeObject *type = (PyTypeObject *)cells;
    if (!find_slot(type, "counts", &counts_at) || !find_slot(type, "duration_seconds", &duration_at)
        || !find_slot(type, "upstream_seconds", &upstream_at) || !take_bounds(given))
        return NULL;
    if (first_bucket < 0)
        return PyErr_Format(PyExc_ValueError, "no place for buckets");
    Py_INCREF(cells);
    Py_XSETREF(cells_type, type);
    Py_INCREF(table);
    Py_XSETREF(requests, table);
    Py_INCREF(function);
    Py_XSETREF(reference, function);
    return PyDescr_NewMethod(cells_type, &method);
}

static PyMethodDef functions[] = {
    {"observe_method", observe_method, METH_VARARGS,
        "observe_method(cells, requests, bounds, first_bucket, reference)\n--\n\nMake the method of the class of cells."},
    {"json_lines_function", json_lines_function, METH_VARARGS,
        "json_lines_function(reference, way, endpoints, connection, protocols)\n--\n\nMake `json_lines`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speedups", "Counting requests, and writing them down.", -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__speedups(void)
{
    one = PyLong_FromLong(1);
    return one ? PyModule_Create(&definition) : NULL;
}
