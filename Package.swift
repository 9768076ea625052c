// swift-tools-version: 6.2
// The module graph of vipd. Imports follow the arrows given here and nothing else; the pure targets (Wire, Election,
// Messages, Simulation) compile in Embedded mode when VIPD_EMBEDDED is set, which is how the tests prove that they touch no system.

import PackageDescription

let strict: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]
let embedded: [SwiftSetting] =
    Context.environment["VIPD_EMBEDDED"] != nil
    ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo"])] : []
let pure = strict + embedded

let package = Package(
    name: "vipd",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // Headers of the system and of Debian's libraries.
        .target(name: "CLinux"),
        .systemLibrary(
            name: "CNetlink", pkgConfig: "libnl-3.0", providers: [.apt(["libnl-3-dev"])]),
        .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // Pure: values in, values out.
        .target(name: "Wire", swiftSettings: pure),
        .target(name: "Election", dependencies: ["Wire"], swiftSettings: pure),
        .target(name: "Messages", dependencies: ["Election", "Wire"], swiftSettings: pure),
        .target(name: "Simulation", dependencies: ["Election", "Wire"], swiftSettings: pure),

        // The system.
        .target(name: "System", dependencies: ["CLinux"], swiftSettings: strict),
        .target(
            name: "Kernel", dependencies: ["System", "Wire", "CLinux", "CNetlink", "CPcap"], swiftSettings: strict),

        // The real-time side: no Foundation, no NIO, no Dispatch, no concurrency.
        .target(
            name: "Engine", dependencies: ["Election", "Kernel", "Messages", "System", "Wire"], swiftSettings: strict),
        .executableTarget(name: "vipd-engine", dependencies: ["CLinux", "Engine", "System"], swiftSettings: strict),

        // The slow side.
        .target(
            name: "Configuration", dependencies: ["CLibYAML", "Election", "Wire"], swiftSettings: strict),
        .target(name: "Status", dependencies: ["Election", "Wire"], swiftSettings: strict),
        .target(
            name: "Supervisor",
            dependencies: [
                "Configuration", "Election", "Messages", "Status", "System", "Wire",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: strict),

        // `vipd probe`, which captures frames and prints: of no use to the engine.
        .target(
            name: "Probe", dependencies: ["Kernel", "Status", "System", "Wire"], swiftSettings: strict),

        // The command line.
        .executableTarget(
            name: "vipd",
            dependencies: [
                "Configuration", "Probe", "Simulation", "Status", "Supervisor", "System", "Wire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // Tests, one folder a target. Namespaces gives them hosts to play with.
        .target(name: "CNamespaces", path: "Tests/CNamespaces"),
        .target(
            name: "Namespaces", dependencies: ["CNamespaces", "System"], path: "Tests/Namespaces",
            swiftSettings: strict),
        .testTarget(
            name: "ConfigurationTests", dependencies: ["Configuration", "Election", "Wire"], swiftSettings: strict),
        .testTarget(
            name: "ElectionTests", dependencies: ["CAllocations", "Election", "Wire"], exclude: ["Scenarios"],
            swiftSettings: strict),
        .testTarget(
            name: "EngineTests",
            dependencies: [
                "Election", "Engine", "Kernel", "Messages", "Namespaces", "System", "Wire", "vipd-engine",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KernelTests", dependencies: ["Kernel", "Namespaces", "System", "Wire"], swiftSettings: strict),
        .testTarget(
            name: "ProbeTests", dependencies: ["Kernel", "Namespaces", "Probe", "System", "Wire"],
            swiftSettings: strict),
        .testTarget(name: "MessagesTests", dependencies: ["Election", "Messages", "Wire"], swiftSettings: strict),
        .testTarget(
            name: "SimulationTests", dependencies: ["Election", "Simulation", "Wire", "vipd"], swiftSettings: strict),
        .testTarget(name: "StatusTests", dependencies: ["Election", "Status", "Wire"], swiftSettings: strict),
        .testTarget(
            name: "StatusServerTests",
            dependencies: ["Configuration", "Election", "Status", "Supervisor", "System", "Wire", "vipd"],
            swiftSettings: strict),
        .testTarget(
            name: "SupervisorTests",
            dependencies: ["Configuration", "Election", "Messages", "Status", "Supervisor", "System", "Wire"],
            swiftSettings: strict),
        .testTarget(name: "SystemTests", dependencies: ["System"], swiftSettings: strict),
        .target(name: "CAllocations", path: "Tests/CAllocations"),
        .testTarget(
            name: "WireTests", dependencies: ["CAllocations", "Wire"], exclude: ["vectors.json"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzz targets, which need a build of their own with libFuzzer linked in (Tests/Fuzz/run).
if Context.environment["VIPD_FUZZ"] != nil {
    package.targets.append(.target(name: "FuzzSupport", path: "Tests/Fuzz/Support", swiftSettings: strict))
    let fuzzed: [(name: String, modules: [Target.Dependency])] = [
        ("Adverts", ["Wire"]),
        ("Frames", ["Wire"]),
        ("Messages", ["Election", "Messages", "Wire"]),
        ("Netlink", ["Kernel", "Wire"]),
        ("Configuration", ["Configuration", "Election", "Wire"]),
    ]
    for (name, modules) in fuzzed {
        package.targets.append(
            .executableTarget(
                name: "Fuzz\(name)", dependencies: ["FuzzSupport"] + modules, path: "Tests/Fuzz/\(name)",
                swiftSettings: strict))
    }
}
