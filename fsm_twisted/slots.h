/* The slots of classes in Python, where compiled methods of these read and write them. */
#ifndef FSM_TWISTED_SLOTS_H
#define FSM_TWISTED_SLOTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

/* Learn where the slot NAME of TYPE lies, in objects of its subclasses too; 0 with an exception. */
static inline int find_slot(PyTypeObject *type, const char *name, Py_ssize_t *offset)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (!found)
        return 0;
    int is_slot = Py_IS_TYPE(found, &PyMemberDescr_Type) && PyDescr_TYPE(found) == type
        && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX;
    if (is_slot)
        *offset = ((PyMemberDescrObject *)found)->d_member->offset;
    else
        PyErr_Format(PyExc_TypeError, "%s is no slot of %s", name, type->tp_name);
    Py_DECREF(found);
    return is_slot;
}

/* What lies there: a reference of the object's own, NULL before anything was assigned. */
static inline PyObject **slot_at(PyObject *self, Py_ssize_t offset)
{
    return (PyObject **)((char *)self + offset);
}

#endif
