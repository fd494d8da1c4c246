import { podSecurityFaults } from "../../policy/pod-security";

const container = {
    name: "app",
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};
const strict = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [container],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
};
const own = (securityContext: object, more: object = {}) => ({
    ...strict,
    containers: [{ ...container, ...more, securityContext: { ...container.securityContext, ...securityContext } }],
});

test("a strict pod passes at every level", () => {
    for (const level of ["privileged", "baseline", "restricted"] as const) {
        expect(podSecurityFaults(level, strict)).toEqual([]);
    }
});

test.each([
    [{ ...strict, hostNetwork: true }, ["the pod has hostNetwork"]],
    [{ ...strict, volumes: [{ name: "host", hostPath: { path: "/" } }] }, ["the volume host is a hostPath"]],
    [own({ privileged: true }), ["the container app is privileged"]],
    [own({ capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } }), ["the container app adds NET_ADMIN"]],
    [own({ procMount: "Unmasked" }), ["the container app mounts /proc as Unmasked"]],
    [own({ seccompProfile: { type: "Unconfined" } }), ["the container app runs without seccomp"]],
    [own({}, { ports: [{ containerPort: 80, hostPort: 80 }] }), ["the container app takes port 80 of the host"]],
    [
        { ...strict, securityContext: { ...strict.securityContext, sysctls: [{ name: "kernel.msgmax", value: "1" }] } },
        ["the pod sets kernel.msgmax"],
    ],
    [own({ seLinuxOptions: { type: "spc_t" } }), ["the container app has SELinux options of its own"]],
])("baseline forbids %j", (spec, faults) => {
    expect(podSecurityFaults("baseline", spec)).toEqual(faults);
    expect(podSecurityFaults("privileged", spec)).toEqual([]);
    expect(podSecurityFaults("restricted", spec)).toEqual(expect.arrayContaining(faults));
});

test.each([
    [
        { ...strict, securityContext: { seccompProfile: { type: "RuntimeDefault" } } },
        ["the container app may run as root"],
    ],
    [{ ...strict, securityContext: { runAsNonRoot: true } }, ["the container app has no seccomp profile"]],
    [own({ runAsUser: 0 }), ["the container app runs as root"]],
    [own({ allowPrivilegeEscalation: true }), ["the container app may gain privileges"]],
    [own({ capabilities: { drop: ["NET_RAW"] } }), ["the container app keeps capabilities"]],
    [own({ capabilities: { drop: ["ALL"], add: ["CHOWN"] } }), ["the container app adds CHOWN"]],
    [
        { ...strict, volumes: [{ name: "films", nfs: { server: "nas", path: "/" } }] },
        ["the volume films is of the kind nfs"],
    ],
    [
        { ...strict, initContainers: [{ name: "first" }] },
        ["the container first may gain privileges", "the container first keeps capabilities"],
    ],
])("restricted forbids besides %j", (spec, faults) => {
    expect(podSecurityFaults("restricted", spec)).toEqual(faults);
    expect(podSecurityFaults("baseline", spec)).toEqual([]);
});
