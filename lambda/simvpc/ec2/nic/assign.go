package nic

import (
	"net/netip"
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

type assignedAddress struct {
	Address string `xml:"privateIpAddress"`
}

// assignPrivate gives an interface more private IPv4 addresses: those that a call
// names, or a number of free ones.
func assignPrivate(r *call.Request) (call.Answer, error) {
	add, n, err := toAssign(r, r.Params.List("PrivateIpAddress"), "SecondaryPrivateIpAddressCount", false)
	if err != nil {
		return nil, err
	}
	n.Private = append(n.Private, add...)
	return &struct {
		call.Reply
		Return    bool                      `xml:"return"`
		Interface string                    `xml:"networkInterfaceId"`
		Assigned  call.Set[assignedAddress] `xml:"assignedPrivateIpAddressesSet"`
	}{Return: true, Interface: n.ID, Assigned: call.SetOf(add, func(a netip.Addr) assignedAddress { return assignedAddress{a.String()} })}, nil
}

// assignIPv6 gives an interface more IPv6 addresses, likewise.
func assignIPv6(r *call.Request) (call.Answer, error) {
	add, n, err := toAssign(r, r.Params.List("Ipv6Addresses"), "Ipv6AddressCount", true)
	if err != nil {
		return nil, err
	}
	n.IPv6 = append(n.IPv6, add...)
	return &struct {
		call.Reply
		Interface string           `xml:"networkInterfaceId"`
		Assigned  call.Set[string] `xml:"assignedIpv6Addresses"`
	}{Interface: n.ID, Assigned: call.Set[string]{Items: call.Texts(add)}}, nil
}

// toAssign are the addresses of a family that an interface is to get.
func toAssign(r *call.Request, asked []string, count string, six bool) ([]netip.Addr, *world.Interface, error) {
	n, err := r.NetworkInterface()
	if err != nil {
		return nil, nil, err
	}
	if err := Changeable(r, n); err != nil {
		return nil, nil, err
	}
	s := r.World.Subnet(n.Subnet)
	var add []netip.Addr
	for _, text := range asked {
		a, err := askedAddress(r, s, text)
		if err != nil {
			return nil, nil, err
		}
		if a.Is6() != six {
			return nil, nil, call.Fail("InvalidParameterValue", "%s is not of the family that is assigned", text)
		}
		add = append(add, a)
	}
	free, _, err := r.Params.Integer(count)
	if err != nil {
		return nil, nil, err
	}
	for range free {
		a := r.World.FreeAddress(s, six, add...)
		if !a.IsValid() {
			return nil, nil, call.Fail("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses.")
		}
		add = append(add, a)
	}
	if len(add) == 0 {
		return nil, nil, call.Fail("MissingParameter", "The request must contain addresses, or how many")
	}
	return add, n, nil
}

// unassignPrivate takes secondary private IPv4 addresses from an interface.
func unassignPrivate(r *call.Request) (call.Answer, error) {
	n, gone, err := toUnassign(r, "PrivateIpAddress", func(n *world.Interface) []netip.Addr { return n.Private[min(1, len(n.Private)):] })
	if err != nil {
		return nil, err
	}
	n.Private = slices.DeleteFunc(n.Private, func(a netip.Addr) bool { return slices.Contains(gone, a) })
	return call.Done(nil)
}

// unassignIPv6 takes IPv6 addresses from an interface.
func unassignIPv6(r *call.Request) (call.Answer, error) {
	n, gone, err := toUnassign(r, "Ipv6Addresses", func(n *world.Interface) []netip.Addr { return n.IPv6 })
	if err != nil {
		return nil, err
	}
	n.IPv6 = slices.DeleteFunc(n.IPv6, func(a netip.Addr) bool { return slices.Contains(gone, a) })
	return &struct {
		call.Reply
		Interface  string           `xml:"networkInterfaceId"`
		Unassigned call.Set[string] `xml:"unassignedIpv6Addresses"`
	}{Interface: n.ID, Unassigned: call.Set[string]{Items: call.Texts(gone)}}, nil
}

// toUnassign are the addresses that a call names, all of which the interface has.
func toUnassign(r *call.Request, name string, has func(*world.Interface) []netip.Addr) (*world.Interface, []netip.Addr, error) {
	n, err := r.NetworkInterface()
	if err != nil {
		return nil, nil, err
	}
	if err := Changeable(r, n); err != nil {
		return nil, nil, err
	}
	var gone []netip.Addr
	for _, text := range r.Params.List(name) {
		a, err := netip.ParseAddr(text)
		if err != nil || !slices.Contains(has(n), a) {
			return nil, nil, call.Fail("InvalidParameterValue", "The address %s can't be unassigned from interface %s", text, n.ID)
		}
		gone = append(gone, a)
	}
	if len(gone) == 0 {
		return nil, nil, call.Fail("MissingParameter", "The request must contain the parameter %s", name)
	}
	return n, gone, nil
}
