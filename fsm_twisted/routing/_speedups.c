/*
 * What a path leads to in the table of a host (paths.py), without the interpreter.
 *
 * Tables of other parts than PathTable.build makes are left to PathTable.find, the reference.
 */
#include "../slots.h"
#include <string.h>

static PyTypeObject *table_type;
static PyObject *reference;
static Py_ssize_t exact_at, prefixes_at, lengths_at, longest_at, root_at;

/* The last slash in the first SIZE bytes of PATH; -1 when there is none. */
static Py_ssize_t last_slash(const char *path, Py_ssize_t size)
{
    const char *found = size > 0 ? memrchr(path, '/', size) : NULL;
    return found ? found - path : -1;
}

/* What the first SIZE bytes of PATH lead to as a prefix, borrowed; NULL for nothing, or an exception. */
static PyObject *prefix(PyObject *table, PyObject *path, Py_ssize_t size)
{
    PyObject *length = PyLong_FromSsize_t(size);
    if (!length)
        return NULL;
    int is_there = PySet_Contains(*slot_at(table, lengths_at), length);
    Py_DECREF(length);
    if (is_there <= 0)
        return NULL;
    PyObject *key = PyBytes_FromStringAndSize(PyBytes_AS_STRING(path), size);
    if (!key)
        return NULL;
    PyObject *found = PyDict_GetItemWithError(*slot_at(table, prefixes_at), key);
    Py_DECREF(key);
    return found;
}

/* What PATH leads to, borrowed; NULL for nothing, or with an exception. */
static PyObject *found_in(PyObject *table, PyObject *path)
{
    PyObject *exact = *slot_at(table, exact_at), *found;
    if (PyDict_GET_SIZE(exact)) {
        found = PyDict_GetItemWithError(exact, path);
        if (found || PyErr_Occurred())
            return found;
    }
    const char *text = PyBytes_AS_STRING(path);
    Py_ssize_t end = PyBytes_GET_SIZE(path), longest = PyLong_AsSsize_t(*slot_at(table, longest_at));
    if (longest < 0)
        return NULL;
    if (end > longest)
        end = last_slash(text, longest + 1);
    for (; end > 0; end = last_slash(text, end)) {
        found = prefix(table, path, end);
        if (found || PyErr_Occurred())
            return found;
    }
    found = *slot_at(table, root_at);
    return found == Py_None ? NULL : found;
}

static int is_dict(PyObject *value)
{
    return value && PyDict_CheckExact(value);
}

static int is_usual(PyObject *table)
{
    PyObject *lengths = *slot_at(table, lengths_at), *longest = *slot_at(table, longest_at);
    return is_dict(*slot_at(table, exact_at)) && is_dict(*slot_at(table, prefixes_at)) && lengths
        && PyFrozenSet_CheckExact(lengths) && longest && PyLong_CheckExact(longest) && *slot_at(table, root_at);
}

static PyObject *find(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 1)
        return PyErr_Format(PyExc_TypeError, "find(path)");
    if (!is_usual(self) || !PyBytes_CheckExact(args[0])) {
        PyObject *all[] = {self, args[0]};
        return PyObject_Vectorcall(reference, all, 2, NULL);
    }
    PyObject *found = found_in(self, args[0]);
    if (!found && PyErr_Occurred())
        return NULL;
    return Py_NewRef(found ? found : Py_None);
}

static PyMethodDef method = {
    "find", (PyCFunction)(void (*)(void))find, METH_FASTCALL, "See `PathTable.find`."};

static PyObject *find_method(PyObject *module, PyObject *args)
{
    PyObject *table, *function;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O", &PyType_Type, &table, &function))
        return NULL;
    if (table_type && (PyObject *)table_type != table)
        return PyErr_Format(PyExc_TypeError, "there is one class of tables");
    PyTypeObject *of_table = (PyTypeObject *)table;
    if (!find_slot(of_table, "exact", &exact_at) || !find_slot(of_table, "prefixes", &prefixes_at)
        || !find_slot(of_table, "lengths", &lengths_at) || !find_slot(of_table, "longest", &longest_at)
        || !find_slot(of_table, "root", &root_at))
        return NULL;
    Py_INCREF(table);
    Py_XSETREF(table_type, of_table);
    Py_INCREF(function);
    Py_XSETREF(reference, function);
    return PyDescr_NewMethod(table_type, &method);
}

static PyMethodDef functions[] = {
    {"find_method", find_method, METH_VARARGS,
        "find_method(table, reference)\n--\n\nMake the method of the class of tables."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_speedups", "Finding paths.", -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__speedups(void)
{
    return PyModule_Create(&definition);
}
