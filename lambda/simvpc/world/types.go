package world

import (
	"slices"
	"strings"
)

// xenFamilies are instance families on the Xen hypervisor; all others here are
// on Nitro (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-hypervisors.html).
var xenFamilies = strings.Fields("c1 c3 c4 d2 f1 g3 g3s h1 i2 i3 m1 m2 m3 m4 p2 p3 r3 r4 t1 t2 x1 x1e")

// nitroV6Families are families on Nitro v6, where an idle TCP connection is
// forgotten after 350 seconds
// (https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html).
var nitroV6Families = strings.Fields("c8a c8gb c8gn c8i c8i-flex c8ib c8in g7e hpc8a m8a m8azn m8gb m8gn m8i m8i-flex " +
	"m8ib m8in p6-b200 p6-b300 r8a r8gb r8gn r8i r8i-flex r8ib r8in x8aedz x8i")

// nitroFamilies are the other Nitro families that DescribeInstanceTypes knows.
var nitroFamilies = strings.Fields("a1 c5 c5a c5d c5n c6a c6g c6gn c6i c6in c7a c7g c7gn c7i c7i-flex c8g g4dn g5 g6 i4i i7i m5 m5a m5d m5n " +
	"m6a m6g m6i m6in m7a m7g m7i m7i-flex m8g p4d p5 r5 r5a r5d r5n r6a r6g r6i r6in r7a r7g r7i r8g t3 t3a t4g u-6tb1 x2gd x2idn x8g z1d")

// sizes are the sizes an instance type may have.
var sizes = strings.Fields("nano micro small medium large xlarge 2xlarge 3xlarge 4xlarge 6xlarge 8xlarge 9xlarge 10xlarge " +
	"12xlarge 16xlarge 18xlarge 24xlarge 32xlarge 48xlarge 96xlarge metal")

// InstanceFamilies are all families that are known here.
func InstanceFamilies() []string { return slices.Concat(xenFamilies, nitroFamilies, nitroV6Families) }

func family(instanceType string) string {
	f, _, _ := strings.Cut(instanceType, ".")
	return f
}

// OnNitro reports whether an instance type is on the Nitro system, as the
// tracking timeouts of an interface can be set only there.
func OnNitro(instanceType string) bool { return !slices.Contains(xenFamilies, family(instanceType)) }

// OnNitroV6 reports whether an instance type is on Nitro v6.
func OnNitroV6(instanceType string) bool {
	return slices.Contains(nitroV6Families, family(instanceType))
}

// KnownType reports whether DescribeInstanceTypes knows a type.
func KnownType(instanceType string) bool {
	f, size, ok := strings.Cut(instanceType, ".")
	known := slices.Contains(xenFamilies, f) || slices.Contains(nitroFamilies, f) || slices.Contains(nitroV6Families, f)
	return ok && known && (slices.Contains(sizes, size) || strings.HasPrefix(size, "metal-"))
}
