package world

import "slices"

// Terminate ends an instance at once: its interfaces and volumes go with it, but
// those that are kept.
func (w *World) Terminate(i *Instance) {
	i.State, i.Isolated = "terminated", false
	i.AutoScaling, i.Lifecycle = "", ""
	for _, n := range w.InterfacesOf(i.ID) {
		if n.Keep {
			w.Forget(n)
			n.Instance, n.Device = "", 0
			continue
		}
		w.Remove(n)
	}
	w.Secondary = slices.DeleteFunc(w.Secondary, func(n *SecondaryInterface) bool { return n.Instance == i.ID })
	w.Volumes = slices.DeleteFunc(w.Volumes, func(v *Volume) bool { return v.Instance == i.ID && !v.Keep })
	for _, v := range w.VolumesOf(i.ID) {
		v.Instance, v.Root = "", false
	}
}

// Restart clears what an instance forgets when it stops or restarts: its
// connections, and rules of its own.
func (w *World) Restart(i *Instance) {
	i.Isolated = false
	for _, n := range w.InterfacesOf(i.ID) {
		w.Forget(n)
	}
}
