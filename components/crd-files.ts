/** Written by `npm run crds`: for each bundle of components/crds.ts its commit, and the SHA-256 of every file there. */
export interface PinnedFiles {
    /** Release, without `v`. */
    readonly version: string;
    /** The release's commit: a tag can be moved, a commit cannot. */
    readonly commit: string;
    /** SHA-256 in hexadecimal, by the file's path in the bundle's directory. */
    readonly files: Readonly<Record<string, string>>;
}

export const crdFiles: Readonly<Record<string, PinnedFiles>> = {
    "gateway-api": {
        version: "1.6.1",
        commit: "8bb74df00e56ec8f944d48c25e6c1c9c2f6848e3",
        files: {
            "gateway.networking.k8s.io_backendtlspolicies.yaml":
                "0d48c9e4b53dd9510cf615b9b1192d9d7afb07a1cc0498c9515627cb1c075419",
            "gateway.networking.k8s.io_gatewayclasses.yaml":
                "53710048ba26f8620eed59d5e51b157ecf040daf5c6eef31a4b991e0808c4be5",
            "gateway.networking.k8s.io_gateways.yaml":
                "25b885f5870b8fff1ae82efa2628b2761cef3745900c2aecf8fb76629a01255a",
            "gateway.networking.k8s.io_grpcroutes.yaml":
                "53a8d029da8f07e55d3fa58a5cf6de5950dab19fbb8d6a8082fb5e51ca5ef6fc",
            "gateway.networking.k8s.io_httproutes.yaml":
                "a424a0d6c953b162e71d1d97bb7e75012d8f1ac264e7274f2763d1b96ab39852",
            "gateway.networking.k8s.io_listenersets.yaml":
                "bf4d4b02564999b2558b96e31465129895db9b3a8adfb90adb9c80eac52a3a70",
            "gateway.networking.k8s.io_referencegrants.yaml":
                "8c645e9333cfa67790cc2a53e0c00076f88b2bd4230d2b49688c78bc34f9b2c3",
            "gateway.networking.k8s.io_tcproutes.yaml":
                "d5104d0cf30e924f5e3c9e2e76abd46876401c34ca33b9e79321523eee78c7f6",
            "gateway.networking.k8s.io_tlsroutes.yaml":
                "bb8b67926e5d9652cbfd2e19063b7c1d9e78806c9dd671608f57baef2f2e3bbb",
            "gateway.networking.k8s.io_udproutes.yaml":
                "4b80684c2bf8ef4b0a2a3ab45164ac9f96258fc69912645ff50ced595b0aa6de",
            "gateway.networking.k8s.io_vap_safeupgrades.yaml":
                "afb0ea1b3cc2e9344d93b0926fbe741aeb48ab4439f9f7b4b77b9ac94faf6c2e",
        },
    },
    "external-dns": {
        version: "0.21.0",
        commit: "066a11e2158f87689a01f0ff39493037da958171",
        files: {
            "dnsendpoints.externaldns.k8s.io.yaml": "04de1e3d0896d2f8ee28c86acad0b9d8e68fc4b1e778db05380527184f84609f",
        },
    },
    keda: {
        version: "2.20.2",
        commit: "68a5b5028f35b22d50597c69819ab32c4e92f21a",
        files: {
            "kustomization.yaml": "5fd3c65ea635bb341baa074c9858227ac856df484c3da9350ceb40bda32c06b6",
            "patches/scaledjob_patch.yaml": "9231b7d5e9ee2d0d0ece41ed2db3998ec3c53fa9e135d0ee8f46870643b83f76",
            "patches/scaledobject_patch.yaml": "f21566df017a65b1116957bc379d4ef8ff129e69e0fe0389700f6a98ec7c7da5",
            "bases/eventing.keda.sh_cloudeventsources.yaml":
                "54693ed66e4a602f09137bef80297b381bb51c1a55980e8d4844524c074bac1a",
            "bases/eventing.keda.sh_clustercloudeventsources.yaml":
                "ac143e8ef6734d6d7665a6d094d7388d1816316d42b33b0a6e3ba0a7950322e0",
            "bases/keda.sh_clustertriggerauthentications.yaml":
                "177413d75f11b76ba7bf98aef200a1736245254197c7c1d8877fc7a0fc641df4",
            "bases/keda.sh_scaledjobs.yaml": "8805cd6c5b05161fb1541726e2c32c8e2990f435649fa74cbc616600b84b583a",
            "bases/keda.sh_scaledobjects.yaml": "af35555862a83933b074af14ad439c4b4ceabaf4daa3e9338e9b23e36d308d80",
            "bases/keda.sh_triggerauthentications.yaml":
                "275307b4cb19ca8f0f506a879282aa4c67587ac16ec757f494d6585c5c185d65",
        },
    },
    "prometheus-operator": {
        version: "0.93.0",
        commit: "f8fafd475f3d132e239432ae6172de60a6cb6516",
        files: {
            "monitoring.coreos.com_alertmanagerconfigs.yaml":
                "fed47c462483a47a4d1912bf8a7a3767618644cfdee86dc73d7624c55d6a8b9d",
            "monitoring.coreos.com_alertmanagers.yaml":
                "0e8eccd22699818c93f619c8fe2d92dbbd783a7e9232827a886dedeac1fb5dc1",
            "monitoring.coreos.com_podmonitors.yaml":
                "45a93443daa687d3654f7e9631909ff7edcdf3ec09c5e60251b74aa2722aee5d",
            "monitoring.coreos.com_probes.yaml": "f4ead9704bd4c6303d53e4cc15670faaf0609022a5e08c0ce496286f453666b7",
            "monitoring.coreos.com_prometheusagents.yaml":
                "6bb4afd89a2721ba02327336623344358c57b5a1a2ecaeccd792e0234ef6b612",
            "monitoring.coreos.com_prometheuses.yaml":
                "c0eed4b2c38a58e3a5be7e2f5846df067804c694b0c9316b35029ab68fa183a4",
            "monitoring.coreos.com_prometheusrules.yaml":
                "78be98554b9c8506ab2b4f4feb91c5f3a56e536a0a510f3a8e876a459970d56d",
            "monitoring.coreos.com_scrapeconfigs.yaml":
                "d525ef261d8a3a050528a7d90cecab13f1f3f9020eb0f1f54850b6f5c1f2e641",
            "monitoring.coreos.com_servicemonitors.yaml":
                "a99047972c9dd7679ce2050b9968e8a08773492e671b3e17abd476d42aa78a32",
            "monitoring.coreos.com_thanosrulers.yaml":
                "160bcffd1ce4904b5fde97ac40676019aa02427f0d64432f4dd71a711275b82c",
        },
    },
    "external-secrets": {
        version: "2.9.0",
        commit: "378bdb622ed9712ef4a58370f6a17af033b7d343",
        files: {
            "bundle.yaml": "08b08d88e9522436698d6c90510b530d491081fbf92015faa7a571bb8b50bc5b",
        },
    },
    "envoy-gateway": {
        version: "1.9.0",
        commit: "39763b1c07ec30a5526fe70434a2cfe4181de642",
        files: {
            "gateway.envoyproxy.io_backends.yaml": "bb1901aea758d05458b853b07db04a96a1ea4346b177e392e5ce7398573805be",
            "gateway.envoyproxy.io_backendtrafficpolicies.yaml":
                "cd75a4c222df5487aa9ca8957b48bcc3255eb25de02ed9153faf620bc160f786",
            "gateway.envoyproxy.io_clienttrafficpolicies.yaml":
                "2c7eaa1ce30de626e9c362b8d9002281c2f435f970020fa81902ad7f30b38d5b",
            "gateway.envoyproxy.io_envoyextensionpolicies.yaml":
                "92f4dfdd67be4b242511381d6175f517782e655233fdf5b5e28a400ea5601f79",
            "gateway.envoyproxy.io_envoypatchpolicies.yaml":
                "8e9110c32b414ea5c43a85e272dc2dee8917ed0bfa36a9a2b72fde1f3fba6083",
            "gateway.envoyproxy.io_envoyproxies.yaml":
                "3e9ea2f348445e3798b02daf02bf024b0d944227cf5ef8a18da7f675a1afd223",
            "gateway.envoyproxy.io_httproutefilters.yaml":
                "ad46193dbec0a28cc97fa93a64bcd1f464858544d884eeac5e4d767526dcfd3d",
            "gateway.envoyproxy.io_securitypolicies.yaml":
                "6412914ec5b7c48f58b85f60a80767ba15a50c8d374480cf5f2d872e4a764466",
        },
    },
    istio: {
        version: "1.30.3",
        commit: "56df41f63e513f834c9a3af33d8aed82d1d961f2",
        files: {
            "crd-all.gen.yaml": "dcb43ff6b9af2f629b80b6a82597f5a91db259c757e66cc5353ac007da28351a",
        },
    },
    "external-snapshotter": {
        version: "8.6.0",
        commit: "78e32cd84e0abec2621924a30e38c755f93e180a",
        files: {
            "groupsnapshot.storage.k8s.io_volumegroupsnapshotclasses.yaml":
                "0ac1b24c628e73fbe3352c21c7929707453252a64072184727a82d2f3c42fc51",
            "groupsnapshot.storage.k8s.io_volumegroupsnapshotcontents.yaml":
                "dc148b9798e4aa080ab3e2dc0681e029ef75ca31adfdf96cf0a14ec309ea9c79",
            "groupsnapshot.storage.k8s.io_volumegroupsnapshots.yaml":
                "59abaccbe9e85a611848489da53d855db4ab606894b0c4cab109a574b4a95b10",
            "snapshot.storage.k8s.io_volumesnapshotclasses.yaml":
                "75e6565aac2c0f2949ed13ea884bbaa388cb7be576b558b709cf1168e011828d",
            "snapshot.storage.k8s.io_volumesnapshotcontents.yaml":
                "895a3c1e73b60f06a0deb566dd123d01bdf1b2efc5d5ff5231ff8bbcf42dafc7",
            "snapshot.storage.k8s.io_volumesnapshots.yaml":
                "b032116e987fb1d7d93cec7d942833adeb9d95c9bdc7e00c10b280c2fe4a6c33",
        },
    },
    velero: {
        version: "1.18.1",
        commit: "26ef8fa7df68dfa9ab8aa4669b8ac47340b0c510",
        files: {
            "v1/bases/velero.io_backuprepositories.yaml":
                "a269b5e2949ba3207dd3323fdd17cd5dfd8dfafac5b9b01f2ad6409da4d56e65",
            "v1/bases/velero.io_backups.yaml": "38107fa5fad6bff25794489d12c8a898eed4d9d89ed49d00ea90369bc4e206b1",
            "v1/bases/velero.io_backupstoragelocations.yaml":
                "bd6e8fb1169d6e9299f49090f86cb9aa263a9e67314013ba231e93ba74485eba",
            "v1/bases/velero.io_deletebackuprequests.yaml":
                "c3e027086585c15a3b05b5596bcf3b6fed2dad9fdc8dea8cbcfb0abd5fc2ab50",
            "v1/bases/velero.io_downloadrequests.yaml":
                "329b4ecc223a478da489bf79e4a8d9710513b1d17527de18aa1275b5c7538119",
            "v1/bases/velero.io_podvolumebackups.yaml":
                "09ce164be8559b6f6f6de314afd796071435daa9e4ce4343879443ea69f4d28d",
            "v1/bases/velero.io_podvolumerestores.yaml":
                "39987e95bb16e5119b67f9a9664ad04d9f5cb1e9cf44bdf22276bd00106f8cdb",
            "v1/bases/velero.io_restores.yaml": "55ef18748fbb16ed5d585ca33a9f35ba43a5b6ebac712522e93d8e0426da3258",
            "v1/bases/velero.io_schedules.yaml": "d2276c19d93b63ed848fb492a0f34a2ac1e162938bed499a824acf356b5860c9",
            "v1/bases/velero.io_serverstatusrequests.yaml":
                "3e1b02454ed384a5fc72dccf6273328ba10a74c05bbff05cb92e6da0e747b22d",
            "v1/bases/velero.io_volumesnapshotlocations.yaml":
                "ec1b87c3f1b83053e97e01edf3aa059dff2bcb73c9d8a89bc08a5e8644777849",
            "v2alpha1/bases/velero.io_datadownloads.yaml":
                "2665604bf20360a2216c33057d95d7820c9fdc1c9b7e2ee4b4de8ed7244177e1",
            "v2alpha1/bases/velero.io_datauploads.yaml":
                "64457a986612875e20a9c38da16f7377bd3c08f06a88dff41aaeb94ee20c595b",
        },
    },
    "redis-enterprise": {
        version: "8.0.20-23",
        commit: "74fc8facd02905ac350e7ddd859f6e3af37bcfe2",
        files: {
            "rec_crd.yaml": "2114202c916d7aea92796a34e5f5c2e73779c039470c9325a8767a838cd2eb8d",
            "redb_crd.yaml": "e42f499794345365ad258a0ce6d09784cdd8628153a53487290282f595b69d21",
            "reaadb_crd.yaml": "a70b8abc72721f136d1d7fc7398ac6311164bfb5867c83f73bad1621b624ff85",
            "rerc_crd.yaml": "96131ff07ab415a15b90824e57bfa4176ccfa46fea5940138f77e8ae78ad7061",
        },
    },
    "node-feature-discovery": {
        version: "0.19.0",
        commit: "45d276ed9d3f0f67fb642aa78969721df3034451",
        files: {
            "nfd-api-crds.yaml": "f8a40048b99110feaee4813dbb92ebfdaa3c7d722e1836a804207e22f72a9072",
        },
    },
    "intel-device-plugins": {
        version: "0.36.0",
        commit: "76f8fcf655957d0121e333c91b5125abe4d7bc52",
        files: {
            "deviceplugin.intel.com_gpudeviceplugins.yaml":
                "fc36186f7a3dae5dac105cecb87eecea9b6bd9ee6b2987e930cdd80394d8ccd4",
        },
    },
};
