/* SPDX-License-Identifier: MIT */
/* loader.c - BOOTX64.EFI: from UEFI firmware into the kernel.
 * Order: files of \godwit\ -> ACPI root, time, entropy -> kernel segments and page tables -> ExitBootServices -> jump.
 * A missing or odd configuration is no reason to stop: the kernel boots and prints boot_info.message.
 * Source: UEFI Specification 2.10, 7.2 "Memory Allocation Services", 7.4 "Image Services", 13.4 "Simple File System Protocol". */
#include "boot/loader.h"

#include <efi.h>
#include <efilib.h>

void *loader_image;

static EFI_GUID acpi20_guid = ACPI_20_TABLE_GUID;
static EFI_GUID rng_guid = {0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}};

struct rng_protocol {
    void *get_info;
    EFI_STATUS(EFIAPI *get_rng)(struct rng_protocol *, EFI_GUID *algorithm, UINTN len, UINT8 *value);
};

void *loader_alloc_pages(uint64_t bytes) {
    EFI_PHYSICAL_ADDRESS pa = 0;
    UINTN pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    if (EFI_ERROR(BS->AllocatePages(AllocateAnyPages, EfiLoaderData, pages, &pa)))
        return NULL;
    SetMem((void *)pa, pages * PAGE_SIZE, 0);
    return (void *)pa;
}

void loader_die(const CHAR16 *what) {
    Print(L"Godwit cannot start: %s. Remove the boot medium or press a key to return to the firmware.\r\n", what);
    UINTN index;
    BS->WaitForEvent(1, &ST->ConIn->WaitForKey, &index);
    BS->Exit(loader_image, EFI_LOAD_ERROR, 0, NULL);
    for (;;)
        ;
}

static void find_rsdp(struct boot_info *info) {
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++)
        if (CompareGuid(&ST->ConfigurationTable[i].VendorGuid, &acpi20_guid) == 0)
            info->rsdp = (hpa_t)ST->ConfigurationTable[i].VendorTable;
}

static uint64_t read_tsc(void) {
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* Days from 1970-01-01 to a civil date (proleptic Gregorian calendar). */
static uint64_t days_from_civil(uint64_t y, uint64_t m, uint64_t d) {
    y -= m <= 2;
    uint64_t era = y / 400;
    uint64_t yoe = y - era * 400;
    uint64_t doy = (153 * (m + (m > 2 ? (uint64_t)-3 : 9)) + 2) / 5 + d - 1;
    uint64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static void read_wall_clock(struct boot_info *info) {
    EFI_TIME t;
    if (EFI_ERROR(RT->GetTime(&t, NULL)) || t.Year < 1970)
        return;
    int64_t zone = t.TimeZone == EFI_UNSPECIFIED_TIMEZONE ? 0 : t.TimeZone;
    uint64_t local = days_from_civil(t.Year, t.Month, t.Day) * 86400 + t.Hour * 3600u + t.Minute * 60u + t.Second;
    info->wall_tsc = read_tsc();
    info->wall_seconds = local + (uint64_t)(zone * 60);
}

static void take_entropy(struct boot_info *info) {
    struct rng_protocol *rng;
    if (EFI_ERROR(BS->LocateProtocol(&rng_guid, NULL, (void **)&rng)))
        return;
    if (!EFI_ERROR(rng->get_rng(rng, NULL, sizeof info->entropy, info->entropy)))
        info->entropy_bytes = sizeof info->entropy;
}

static uint64_t mem_type(const EFI_MEMORY_DESCRIPTOR *d) {
    switch (d->Type) {
    case EfiConventionalMemory:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiLoaderCode:
        return BOOT_MEM_USABLE;
    case EfiLoaderData:
        return BOOT_MEM_KERNEL;
    default:
        return BOOT_MEM_FIRMWARE;
    }
}

/* Copy the firmware's map, merging neighbours of one type. The firmware returns it ascending in practice, but the
 * specification does not promise that: insertion keeps ours sorted. */
static void convert_map(struct boot_info *info, const uint8_t *map, UINTN size, UINTN step) {
    info->nr_mem = 0;
    for (UINTN off = 0; off < size; off += step) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(map + off);
        struct boot_mem m = {d->PhysicalStart, d->PhysicalStart + d->NumberOfPages * PAGE_SIZE, mem_type(d)};
        uint64_t i = info->nr_mem;
        if (i > 0 && info->mem[i - 1].end == m.start && info->mem[i - 1].type == m.type) {
            info->mem[i - 1].end = m.end;
            continue;
        }
        if (i == BOOT_MAX_MEM)
            return; /* what is left out is not used */
        for (; i > 0 && info->mem[i - 1].start > m.start; i--)
            info->mem[i] = info->mem[i - 1];
        info->mem[i] = m;
        info->nr_mem++;
    }
}

/* End of the highest range that is RAM or firmware data in RAM: what the direct map must reach. */
static hpa_t ram_end(void) {
    UINTN size = 0, key, step;
    UINT32 version;
    BS->GetMemoryMap(&size, NULL, &key, &step, &version);
    size += 16 * step;
    uint8_t *map = AllocatePool(size);
    if (map == NULL || EFI_ERROR(BS->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &step, &version)))
        loader_die(L"the firmware gives no memory map");
    hpa_t end = 0;
    for (UINTN off = 0; off < size; off += step) {
        const EFI_MEMORY_DESCRIPTOR *d = (const EFI_MEMORY_DESCRIPTOR *)(map + off);
        if (d->Type == EfiMemoryMappedIO || d->Type == EfiMemoryMappedIOPortSpace || d->Type == EfiReservedMemoryType)
            continue;
        end = MAX(end, d->PhysicalStart + d->NumberOfPages * PAGE_SIZE);
    }
    FreePool(map);
    return ALIGN_UP(end, LARGE_SIZE);
}

/* ExitBootServices needs the key of the newest map; a timer of the firmware can change it in between, so try a few times. */
static void exit_boot_services(struct boot_info *info) {
    UINTN size = 0, key, step;
    UINT32 version;
    BS->GetMemoryMap(&size, NULL, &key, &step, &version);
    UINTN cap = size + 64 * step;
    uint8_t *map = loader_alloc_pages(cap);
    if (map == NULL)
        loader_die(L"no memory for the memory map");
    for (int attempt = 0; attempt < 8; attempt++) {
        size = cap;
        if (EFI_ERROR(BS->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &step, &version)))
            continue;
        if (!EFI_ERROR(BS->ExitBootServices(loader_image, key))) {
            convert_map(info, map, size, step);
            return;
        }
    }
    loader_die(L"the firmware refuses ExitBootServices");
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table) {
    InitializeLib(image, table);
    loader_image = image;
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    Print(L"Godwit loader\r\n");
    struct boot_info *info = loader_alloc_pages(sizeof *info);
    if (info == NULL)
        loader_die(L"no memory for the boot information");
    info->magic = BOOT_INFO_MAGIC;
    files_load(info);
    find_rsdp(info);
    read_wall_clock(info);
    take_entropy(info);
    info->direct_map_end = ram_end();
    uint64_t entry = kernel_place(info);
    exit_boot_services(info);
    kernel_enter(info, entry);
}
